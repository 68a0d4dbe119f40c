"""The list in a keyring: a named backend, an index of its own, and no change that is half done (AUTHD-2)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support_secrets import MARKER, shows_marker
from support_security import variables_showing
from support_stores import MEMORY, SECRET_SERVICE, MemoryKeyring

from connector.errors import AuthDataError
from connector.spi import Secret
from connector_keyring.backend import NamedBackend
from connector_keyring.store import KeyringStore, keyring_store


def store() -> KeyringStore:
    return keyring_store({"backend": MEMORY, "service": "s"})


def refused(use: Any) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        use()
    assert not shows_marker(caught.value)
    assert variables_showing(MARKER, caught.value) == []
    return caught.value


@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "keyring.backends.chainer.ChainerBackend",
        "keyrings.alt.file.PlaintextKeyring",
    ],
)
def test_a_backend_that_keeps_nothing_or_everything_open_is_refused_at_once(backend: str) -> None:
    assert refused(lambda: keyring_store({"backend": backend})).code == "CF-KEYR-001"


@pytest.mark.parametrize(
    "backend",
    ["", "nothing", "no.such.module.Keyring", "keyring.backends.SecretService.Nothing", "json.JSONEncoder"],
)
def test_a_backend_that_cannot_be_loaded_is_told_when_it_is_needed(backend: str) -> None:
    error = refused(keyring_store({"backend": backend}).load)
    assert error.code == "CF-KEYR-002"
    assert "extra `keyring`" in error.action


def test_a_backend_that_keeps_nothing_under_another_name_is_told_by_its_priority() -> None:
    error = refused(keyring_store({"backend": "support_stores.NothingKeyring"}).load)
    assert error.code == "CF-KEYR-002"
    assert "keeps anything" in error.text


def test_a_service_that_does_not_run_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("secretstorage", reason="the Secret Service backend is for Linux")
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={tmp_path / 'nobody'}")
    error = refused(keyring_store({"backend": SECRET_SERVICE}).load)
    assert error.code == "CF-KEYR-002"


def test_none_for_an_entry_that_the_list_names_is_an_error(memory_keyring: type[MemoryKeyring]) -> None:
    store().put("payroll", "u", Secret("p"))
    (item,) = [key for key in memory_keyring.items if key[1] != "index"]
    del memory_keyring.items[item]
    error = refused(store().load)
    assert error.code == "CF-KEYR-007"
    assert "payroll" in error.text


def test_passwords_are_in_items_of_their_own_and_not_in_the_list(
    memory_keyring: type[MemoryKeyring], marker: Secret
) -> None:
    store().put("payroll", "u", marker)
    assert MARKER not in memory_keyring.items["s", "index"]
    assert sorted(memory_keyring.items.values(), key=len)[0] == MARKER


def test_nothing_is_left_of_what_was_replaced_or_removed(memory_keyring: type[MemoryKeyring]) -> None:
    for password in ("one", "two"):
        store().put("payroll", "u", Secret(password))
    assert [value for key, value in memory_keyring.items.items() if key[1] != "index"] == ["two"]
    store().remove("payroll")
    assert [key[1] for key in memory_keyring.items] == ["index"]
    assert json.loads(memory_keyring.items["s", "index"])["stale"] == []


def test_a_password_is_read_once_for_each_version(
    memory_keyring: type[MemoryKeyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    for alias in ("a", "b"):
        store().put(alias, "u", Secret("p"))
    asked: list[str] = []
    real = memory_keyring.get_password

    def get(self: MemoryKeyring, service: str, item: str) -> str | None:
        asked.append(item)
        return real(self, service, item)

    monkeypatch.setattr(memory_keyring, "get_password", get)
    reader = store()
    reader.load()
    reader.load()
    assert [item.split()[0] for item in asked] == ["index", "entry", "entry", "index"]
    store().put("a", "u", Secret("new"))
    asked.clear()
    assert reader.load()["a"].password == Secret("new")
    assert [item.split()[0] for item in asked] == ["index", "entry"]


class Dead(BaseException):
    """The process died here."""


def test_a_kill_at_any_step_of_a_change_leaves_the_old_or_the_new(
    memory_keyring: type[MemoryKeyring], monkeypatch: pytest.MonkeyPatch
) -> None:
    store().put("a", "u0", Secret("p0"))
    left = -1

    def dying(name: str) -> None:
        real = getattr(memory_keyring, name)

        def call(self: MemoryKeyring, *args: str) -> Any:
            nonlocal left
            left -= 1
            if left == -1:
                raise Dead
            return real(self, *args)

        monkeypatch.setattr(memory_keyring, name, call)

    for name in ("set_password", "delete_password"):
        dying(name)
    finished = died = False
    for number in range(1, 20):
        left = number % 7
        try:
            store().put("a", f"u{number}", Secret(f"p{number}"))
            finished = True
        except Dead:
            died = True
        left = -1
        entry = store().load()["a"]
        assert entry.user.removeprefix("u") == entry.password.reveal().removeprefix("p")
    assert finished
    assert died
    assert store().put("a", "last", Secret("p")).version > 3
    assert len([key for key in memory_keyring.items if key[1] != "index"]) == 1  # leftovers were tidied away


@pytest.mark.parametrize(
    ("text", "code"),
    [("torn", "CF-KEYR-004"), ("{}", "CF-KEYR-004"), ('{"format": "other"}', "CF-KEYR-004")],
)
def test_a_list_that_is_none_is_refused(memory_keyring: type[MemoryKeyring], text: str, code: str) -> None:
    memory_keyring.items["s", "index"] = text
    assert refused(store().load).code == code
    assert refused(lambda: store().put("a", "u", Secret("p"))).code == code
    assert memory_keyring.items["s", "index"] == text


def test_a_newer_list_is_refused(memory_keyring: type[MemoryKeyring]) -> None:
    store().put("a", "u", Secret("p"))
    plain = json.loads(memory_keyring.items["s", "index"])
    memory_keyring.items["s", "index"] = json.dumps({**plain, "version": 2})
    assert refused(store().load).code == "CF-KEYR-005"


def test_a_list_that_goes_is_an_error_and_not_an_empty_one(memory_keyring: type[MemoryKeyring]) -> None:
    reader = store()
    reader.put("a", "u", Secret("p"))
    reader.load()
    memory_keyring.items.clear()
    assert refused(reader.load).code == "CF-KEYR-006"


def test_what_a_keyring_raises_is_told_by_its_type_only(memory_keyring: type[MemoryKeyring], marker: Secret) -> None:
    MemoryKeyring.broken = RuntimeError(f"could not store {MARKER}")
    for use in (store().load, lambda: store().put("a", "u", marker)):
        error = refused(use)
        assert error.code == "CF-KEYR-003"
        assert "RuntimeError" in error.text
    MemoryKeyring.broken = None


def test_a_password_that_could_not_be_kept_is_in_no_frame_of_the_error(
    memory_keyring: type[MemoryKeyring], marker: Secret, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: MemoryKeyring, service: str, username: str, password: str) -> None:
        raise OSError(f"no room for {password}")

    monkeypatch.setattr(memory_keyring, "set_password", full)
    assert refused(lambda: store().put("a", "u", marker)).code == "CF-KEYR-003"


def test_there_is_no_key_of_ours_to_rotate(memory_keyring: type[MemoryKeyring]) -> None:
    assert refused(store().rotate_key).code == "CF-KEYR-008"


def test_a_home_folder_that_cannot_be_written_is_told_before_anything_is_changed(
    memory_keyring: type[MemoryKeyring], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert refused(lambda: store().put("a", "u", Secret("p"))).code == "CF-KEYR-010"
    assert memory_keyring.items == {}


def test_an_unfit_alias_is_refused(memory_keyring: type[MemoryKeyring]) -> None:
    assert refused(lambda: store().put(" a", "u", Secret("p"))).code == "CF-KEYR-009"


def test_two_services_are_two_lists(memory_keyring: type[MemoryKeyring]) -> None:
    store().put("a", "u", Secret("p"))
    assert dict(KeyringStore(NamedBackend(MEMORY), "other").load()) == {}
