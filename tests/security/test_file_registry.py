"""The users file: read again when it changes, changed atomically, and never worse than the last good."""

from __future__ import annotations

import logging
import os
import threading
from pathlib import Path

import pytest
from support_secrets import MARKER, shows_marker
from support_security import Killed, KillingOs

from connector.errors import ConfigError, SecurityError
from connector.security import durable_file
from connector.security.file_registry import FileUserRegistry, file_registry
from connector.security.passwords import ScryptCost, hash_password
from connector.spi import Secret, WritableUserRegistry

CHEAP = ScryptCost(n=2, r=1, p=1)
HASH = hash_password(Secret("wonder"), CHEAP)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "users.toml"


def registry(path: Path) -> FileUserRegistry:
    return FileUserRegistry("weather", path, CHEAP)


def test_it_is_a_writable_user_registry(path: Path) -> None:
    assert isinstance(registry(path), WritableUserRegistry)
    assert registry(path).realm == "weather"


def test_a_user_that_was_added_can_log_in(path: Path, marker: Secret) -> None:
    users = registry(path)
    users.add_user("alice", marker, ["forecasters", "staff"])
    assert users.check_password("alice", marker)
    assert not users.check_password("alice", Secret("wrong"))
    assert not users.check_password("alice", Secret(""))
    assert not users.check_password("bob", marker)
    assert users.groups_of("alice") == {"forecasters", "staff"}
    assert users.users() == ("alice",)
    assert users.groups() == ("forecasters", "staff")
    assert users.unique_name("alice") == "alice"
    assert path.stat().st_mode & 0o777 == 0o600
    assert MARKER not in path.read_text()


def test_an_unknown_user_has_no_groups(path: Path) -> None:
    assert registry(path).groups_of("nobody") == frozenset()


def test_a_change_is_seen_by_another_registry_on_the_file(path: Path) -> None:
    one, other = registry(path), registry(path)
    one.add_user("alice", Secret("x"))
    assert other.user_exists("alice")
    other.set_groups("alice", ["staff"])
    assert one.group_exists("staff")
    one.set_password("alice", Secret("y"))
    assert other.check_password("alice", Secret("y"))
    assert not other.check_password("alice", Secret("x"))
    assert one.remove_user("alice")
    assert not one.remove_user("alice")
    assert not other.user_exists("alice")


def test_comments_and_odd_orders_of_a_hand_written_file_survive(path: Path) -> None:
    path.write_text(
        f'# ours\n[users.alice]\npassword = "{HASH}"  # set in May\n'
        '[groups.empty]\ndescription = "nobody yet"\n'
        f'[users.bob]\npassword = "{HASH}"\ngroups = ["staff"]\n'
    )
    users = registry(path)
    assert users.group_exists("empty")
    users.add_user("carol smith", Secret("x"), ["staff"])
    users.set_groups("alice", ["empty"])
    assert users.remove_user("bob")
    text = path.read_text()
    assert "# ours" in text
    assert "# set in May" in text
    again = registry(path)
    assert again.users() == ("alice", "carol smith")
    assert again.groups_of("alice") == {"empty"}
    assert again.check_password("alice", Secret("wonder"))


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda users: users.add_user("alice", Secret("x")), "CF-SEC-040"),
        (lambda users: users.set_password("bob", Secret("x")), "CF-SEC-041"),
        (lambda users: users.set_groups("bob", []), "CF-SEC-041"),
        (lambda users: users.add_user("", Secret("x")), "CF-SEC-042"),
        (lambda users: users.add_user(" bob", Secret("x")), "CF-SEC-042"),
        (lambda users: users.add_user("bo\nb", Secret("x")), "CF-SEC-042"),
        (lambda users: users.set_groups("alice", ["st\x00aff"]), "CF-SEC-042"),
        (lambda users: users.add_user("bob", Secret("")), "CF-SEC-020"),
        (lambda users: users.set_password("alice", Secret("")), "CF-SEC-020"),
    ],
)
def test_an_unfit_change_is_refused_with_its_code_and_changes_nothing(path: Path, change: object, code: str) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    before = path.read_bytes()
    with pytest.raises(SecurityError) as refused:
        change(users)  # type: ignore[operator]  # a lambda of the table above
    assert refused.value.code == code
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("text", "code", "line", "place"),
    [
        ('[users.alice]\npassword = "x\n', "CF-SEC-032", 2, "(the file)"),
        ("[users.alice]\npassword =", "CF-SEC-032", 2, "(the file)"),
        ("[user.alice]\n", "CF-SEC-033", None, "user"),
        ("users = 3\n", "CF-SEC-034", None, "users"),
        (f'[users.alice]\npassword = "{HASH}"\ngroup = []\n', "CF-SEC-033", None, "users.alice.group"),
        (f'[users.alice]\npassword = "{MARKER}"\n', "CF-SEC-035", None, "users.alice.password"),
        ("[users.alice]\n", "CF-SEC-035", None, "users.alice.password"),
        (f'[users.alice]\npassword = "{HASH}"\ngroups = "staff"\n', "CF-SEC-036", None, "users.alice.groups"),
    ],
    # ids of our own: pytest would show the text, with the marker in it
    ids=["open string", "no value", "unknown table", "no table", "unknown key", "plain", "none", "no list"],
)
def test_a_wrong_file_is_refused_with_its_place(path: Path, text: str, code: str, line: int | None, place: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError) as refused:
        registry(path)
    (problem,) = refused.value.problems
    assert (problem.code, problem.line, problem.key_path, problem.file) == (code, line, place, str(path))
    assert not shows_marker(refused.value)


def test_a_file_that_is_no_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError) as refused:
        registry(path)
    assert refused.value.problems[0].code == "CF-SEC-031"


def test_all_mistakes_are_told_at_once(path: Path) -> None:
    path.write_text('[users.a]\n[users.b]\npassword = "x"\ngroups = [1]\n')
    with pytest.raises(ConfigError) as refused:
        registry(path)
    assert [problem.key_path for problem in refused.value.problems] == [
        "users.a.password",
        "users.b.password",
        "users.b.groups",
    ]


def test_a_wrong_edit_leaves_the_last_good_users_and_is_logged_once(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    good = path.read_bytes()
    with caplog.at_level(logging.ERROR):
        path.write_text(f'[users.mallory]\npassword = "{MARKER}"\n')
        assert users.users() == ("alice",)
        assert users.check_password("alice", Secret("x"))
    assert len(caplog.records) == 1
    assert "CF-SEC-035" in caplog.text
    path.write_bytes(good.replace(b"alice", b"bobby"))
    assert users.users() == ("bobby",)


def test_a_wrong_file_is_not_written_over(path: Path) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    path.write_text("[users.alice\n")
    with pytest.raises(ConfigError):
        users.add_user("bob", Secret("x"))
    assert path.read_text() == "[users.alice\n"


def test_a_file_that_goes_leaves_the_last_good_users(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    assert users.user_exists("alice")
    path.unlink()
    with caplog.at_level(logging.ERROR):
        assert users.user_exists("alice")
    assert "has gone" in caplog.text


def test_a_missing_file_is_a_mistake_of_the_deployment(path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        file_registry("weather", {"path": path})
    assert refused.value.code == "CF-SEC-030"
    registry(path).add_user("alice", Secret("x"))
    assert file_registry("weather", {"path": str(path)}).user_exists("alice")


def test_a_folder_in_place_of_the_file_is_told(path: Path) -> None:
    path.mkdir()
    with pytest.raises(ConfigError) as refused:
        registry(path)
    assert refused.value.code == "CF-SEC-037"


def test_a_disk_that_refuses_changes_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SecurityError) as refused:
        users.add_user("bob", Secret("x"))
    assert refused.value.code == "CF-SEC-038"
    assert registry(path).users() == ("alice",)


def test_two_writers_lose_nothing(path: Path) -> None:
    def add(prefix: str) -> None:
        users = registry(path)
        for number in range(5):
            users.add_user(f"{prefix}{number}", Secret("x"))

    threads = [threading.Thread(target=add, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(registry(path).users()) == 10


def test_a_kill_at_any_instant_leaves_the_old_or_the_new_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    counting = KillingOs()
    monkeypatch.setattr(durable_file, "os", counting)
    users.set_groups("alice", ["g"])
    assert counting.calls >= 8
    for instant in range(counting.calls):
        monkeypatch.setattr(durable_file, "os", KillingOs(instant))
        with pytest.raises(Killed):
            users.set_groups("alice", [f"g{instant}"])
        assert registry(path).groups_of("alice") <= {"g", *(f"g{n}" for n in range(instant + 1))}
        assert registry(path).check_password("alice", Secret("x"))
    monkeypatch.undo()
    users.set_groups("alice", ["after"])
    assert registry(path).groups_of("alice") == {"after"}


def test_representations_show_no_hash(path: Path) -> None:
    users = registry(path)
    users.add_user("alice", Secret("x"))
    assert "scrypt" not in repr(users) + repr(users._current())
