"""The vault: encrypted, bound, versioned, and telling apart what can be wrong with it (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Hashable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support_secrets import MARKER, shows_marker
from support_security import Killed, KillingOs

from connector.errors import AuthDataError
from connector.security import durable_file
from connector.security.vault import FileVault, file_store
from connector.security.vault_cipher import VaultKey
from connector.security.vault_document import DocumentUnreadable, open_entry, seal_entry
from connector.security.vault_key import KeyFile, KeyVariable, generate_key
from connector.spi import AuthenticationData, AuthenticationDataStore, Secret


@pytest.fixture
def vault(tmp_path: Path) -> FileVault:
    return FileVault(tmp_path / "auth-data.vault", generate_key(tmp_path / "vault.key"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "auth-data.vault"


def refused(vault: FileVault) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        vault.load()
    assert not shows_marker(caught.value)
    return caught.value


def edit(path: Path, change: Any) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_it_is_an_authentication_data_store(vault: FileVault) -> None:
    assert isinstance(vault, AuthenticationDataStore)
    assert not vault.read_only


def test_what_was_put_is_loaded(vault: FileVault, marker: Secret) -> None:
    put = vault.put("payroll", "batch", marker, "for the payroll")
    assert put == AuthenticationData("payroll", "batch", marker, "for the payroll", 1)
    assert dict(vault.load()) == {"payroll": put}


def test_a_vault_that_is_not_there_yet_is_empty(vault: FileVault) -> None:
    assert dict(vault.load()) == {}
    assert not vault.remove("payroll")


def test_user_password_and_description_rest_encrypted_in_a_file_of_the_owner(
    vault: FileVault, path: Path, marker: Secret
) -> None:
    vault.put("payroll", "batch-user", marker, "a telling description")
    content = path.read_text()
    for hidden in (MARKER, "batch-user", "telling"):
        assert hidden not in content
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_shows_a_password(vault: FileVault, marker: Secret) -> None:
    vault.put("payroll", "batch", marker)
    for shown in (vault, vault.load(), vault.load()["payroll"]):
        assert not shows_marker(shown)


def test_versions_rise_with_each_change_and_never_go_down(vault: FileVault) -> None:
    versions = [vault.put("payroll", "u", Secret(f"p{n}")).version for n in range(3)]
    assert vault.remove("payroll")
    assert not vault.remove("payroll")
    vault.put("other", "u", Secret("p"))
    versions.append(vault.put("payroll", "u", Secret("p")).version)
    vault.rotate_key()
    versions.append(vault.put("payroll", "u", Secret("p")).version)
    assert versions == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("alias", ["", " payroll", "pay\nroll"])
def test_an_unfit_alias_is_refused(vault: FileVault, alias: str) -> None:
    with pytest.raises(AuthDataError) as caught:
        vault.put(alias, "u", Secret("p"))
    assert caught.value.code == "CF-AUTHD-026"


def test_a_missing_key_is_told_even_before_there_is_a_vault(tmp_path: Path) -> None:
    assert refused(FileVault(tmp_path / "v", KeyFile(tmp_path / "none"))).code == "CF-AUTHD-010"


def test_a_wrong_key_is_told_apart_from_a_torn_file(vault: FileVault, path: Path, tmp_path: Path) -> None:
    vault.put("payroll", "u", Secret("p"))
    good = path.read_bytes()
    assert refused(FileVault(path, generate_key(tmp_path / "other.key"))).code == "CF-AUTHD-022"
    path.write_bytes(good[: len(good) // 2])
    assert refused(vault).code == "CF-AUTHD-020"


@pytest.mark.parametrize("content", ["", "{}", "[]", "null", '{"format": "other"}', "\xff"])
def test_a_file_that_is_no_vault_is_refused(vault: FileVault, path: Path, content: str) -> None:
    path.write_bytes(content.encode("latin-1"))
    assert refused(vault).code == "CF-AUTHD-020"


def test_a_newer_format_is_told(vault: FileVault, path: Path) -> None:
    vault.put("payroll", "u", Secret("p"))
    edit(path, lambda document: document.update(version=2))
    assert refused(vault).code == "CF-AUTHD-021"


def test_a_torn_vault_is_not_written_over(vault: FileVault, path: Path) -> None:
    vault.put("payroll", "u", Secret("p"))
    path.write_text("torn")
    for change in (
        lambda: vault.put("x", "u", Secret("p")),
        lambda: vault.remove("payroll"),
        lambda: vault.rotate_key(),
    ):
        with pytest.raises(AuthDataError):
            change()
    assert path.read_text() == "torn"


def test_a_vault_that_goes_is_an_error_and_not_an_empty_list(vault: FileVault, path: Path) -> None:
    vault.put("payroll", "u", Secret("p"))
    path.unlink()
    assert refused(vault).code == "CF-AUTHD-025"


def test_a_folder_in_place_of_the_vault_is_told(vault: FileVault, path: Path) -> None:
    path.mkdir()
    assert refused(vault).code == "CF-AUTHD-023"


def swap(document: Any) -> None:
    entries = document["entries"]
    entries["a"], entries["b"] = entries["b"], entries["a"]


def rename(document: Any) -> None:
    document["entries"]["c"] = document["entries"].pop("a")


def raise_version(document: Any) -> None:
    document["entries"]["a"]["version"] = 9


def drop(document: Any) -> None:
    del document["entries"]["a"]


def forget_removed(document: Any) -> None:
    document["removed"] = {}


def change_box(document: Any) -> None:
    box = document["entries"]["a"]["box"]
    document["entries"]["a"]["box"] = ("B" if box[0] == "A" else "A") + box[1:]


@pytest.mark.parametrize("forge", [swap, rename, raise_version, drop, forget_removed, change_box])
def test_a_forged_vault_is_refused(vault: FileVault, path: Path, forge: Any) -> None:
    for alias in ("a", "b", "gone"):
        vault.put(alias, "u", Secret(alias))
    vault.remove("gone")
    edit(path, forge)
    assert refused(vault).code == "CF-AUTHD-020"


def test_an_older_entry_put_back_is_refused(vault: FileVault, path: Path) -> None:
    vault.put("a", "u", Secret("old"))
    older = json.loads(path.read_text())["entries"]["a"]
    vault.put("a", "u", Secret("new"))
    edit(path, lambda document: document["entries"].update(a=older))
    assert refused(vault).code == "CF-AUTHD-020"


@pytest.mark.parametrize(("alias", "version"), [("b", 1), ("a", 2)])
def test_an_entry_opens_only_as_what_it_was_sealed_as(alias: str, version: int) -> None:
    key = VaultKey.generate()
    _, sealed = seal_entry(key, AuthenticationData("a", "u", Secret("p")))
    assert open_entry(key, "a", 1, sealed).password.reveal() == "p"
    with pytest.raises(DocumentUnreadable):
        open_entry(key, alias, version, sealed)


def test_rotating_re_encrypts_everything_under_a_new_key(vault: FileVault, path: Path, tmp_path: Path) -> None:
    old_key = (tmp_path / "vault.key").read_bytes()
    entries = {alias: vault.put(alias, "u", Secret(alias)) for alias in ("a", "b")}
    before = json.loads(path.read_text())
    assert vault.rotate_key() == 2
    after = json.loads(path.read_text())
    assert dict(vault.load()) == entries
    assert before["key_id"] != after["key_id"]
    assert all(before["entries"][alias] != after["entries"][alias] for alias in entries)
    assert old_key.strip() not in (tmp_path / "vault.key").read_bytes()
    assert len((tmp_path / "vault.key").read_text().splitlines()) == 1


def test_a_key_from_the_environment_cannot_be_rotated_and_the_vault_stays(path: Path) -> None:
    vault = FileVault(path, KeyVariable("K", {"K": VaultKey.generate().reveal()}))
    vault.put("a", "u", Secret("p"))
    before = path.read_bytes()
    with pytest.raises(AuthDataError) as caught:
        vault.rotate_key()
    assert caught.value.code == "CF-AUTHD-016"
    assert path.read_bytes() == before


def test_a_disk_that_refuses_leaves_the_vault_as_it_was(vault: FileVault, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.put("a", "u", Secret("old"))

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(AuthDataError) as caught:
            vault.put("a", "u", Secret("new"))
    assert caught.value.code == "CF-AUTHD-024"
    assert vault.load()["a"].password.reveal() == "old"


def kill_everywhere(monkeypatch: pytest.MonkeyPatch, change: Any, check: Any) -> int:
    """Kill a change at each of its steps in turn; answers how many there were."""
    counting = KillingOs()
    with monkeypatch.context() as patched:
        patched.setattr(durable_file, "os", counting)
        change(-1)
    for instant in range(counting.calls):
        with monkeypatch.context() as patched:
            patched.setattr(durable_file, "os", KillingOs(instant))
            with pytest.raises(Killed):
                change(instant)
        check(instant)
    return counting.calls


def test_a_kill_at_any_instant_of_a_change_leaves_the_old_or_the_new(
    vault: FileVault, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    vault.put("kept", "u", Secret("kept"))
    fresh = FileVault(path, KeyFile(path.with_name("vault.key")))
    seen: list[str] = []

    def check(instant: int) -> None:
        entries = fresh.load()
        assert entries["kept"].password.reveal() == "kept"
        now = entries["a"].password.reveal()
        assert now in {seen[-1] if seen else "p-1", f"p{instant}"}
        seen.append(now)

    steps = kill_everywhere(monkeypatch, lambda instant: vault.put("a", "u", Secret(f"p{instant}")), check)
    assert steps >= 8
    assert seen[0] == "p-1"
    assert seen[-1] == f"p{steps - 1}"


def test_a_kill_at_any_instant_of_a_rotation_leaves_a_readable_pair(
    vault: FileVault, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = {alias: vault.put(alias, "u", Secret(alias)) for alias in ("a", "b")}
    fresh = FileVault(path, KeyFile(path.with_name("vault.key")))
    keys: set[str] = set()

    def check(instant: int) -> None:
        assert dict(fresh.load()) == entries
        assert fresh.rotate_key() == len(entries)  # goes on from there, or begins
        assert dict(fresh.load()) == entries
        assert len(path.with_name("vault.key").read_text().splitlines()) == 1
        keys.add(json.loads(path.read_text())["key_id"])

    steps = kill_everywhere(monkeypatch, lambda instant: vault.rotate_key(), check)
    assert steps >= 20  # lock, and three replacements of six steps
    assert len(keys) > 2


class Wrapped:
    """A key file that a reader looks at, and must not change."""

    changeable = True

    def __init__(self, path: Path) -> None:
        self.real = KeyFile(path)

    def keys(self) -> tuple[VaultKey, ...]:
        return self.real.keys()

    def fresh(self) -> VaultKey:
        raise AssertionError("a reader makes no key")

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        raise AssertionError("a reader changes nothing")

    def create(self) -> None:
        raise AssertionError("a reader makes no key")

    def changing(self) -> AbstractContextManager[None]:
        raise AssertionError("a reader changes nothing")

    def stamp(self) -> Hashable:
        return self.real.stamp()


def test_a_reader_that_meets_a_rotation_looks_again(vault: FileVault, path: Path) -> None:
    vault.put("a", "u", Secret("p"))

    class Meeting(Wrapped):
        """Hands out the key as it was just before a rotation, once."""

        def __init__(self) -> None:
            super().__init__(path.with_name("vault.key"))
            self.met = False

        def keys(self) -> tuple[VaultKey, ...]:
            keys = self.real.keys()
            if not self.met:
                self.met = True
                vault.rotate_key()
            return keys

    assert FileVault(path, Meeting()).load()["a"].password.reveal() == "p"


def test_two_writers_lose_nothing(vault: FileVault, path: Path) -> None:
    def put(prefix: str) -> None:
        writer = FileVault(path, KeyFile(path.with_name("vault.key")))
        for number in range(5):
            writer.put(f"{prefix}{number}", "u", Secret("p"))

    threads = [threading.Thread(target=put, args=(prefix,)) for prefix in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vault.load()) == 10


def test_the_provider_finds_a_relative_key_beside_the_vault(vault: FileVault, path: Path) -> None:
    vault.put("a", "u", Secret("p"))
    assert set(file_store({"store": "file", "path": path, "key": "file:vault.key"}).load()) == {"a"}
    with pytest.raises(AuthDataError):
        file_store({"store": "file", "path": str(path), "key": "vault.key"})
