"""The vault's key in a keyring: `key = "keyring:NAME"` with the backend named (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_stores import MEMORY, SECRET_SERVICE, MemoryKeyring

from connector.errors import AuthDataError
from connector.security.keyring_key import KeyringKey
from connector.security.vault import FileVault, file_store
from connector.security.vault_key import key_source
from connector.spi import Secret


def code(use: object) -> str:
    with pytest.raises(AuthDataError) as caught:
        use()  # type: ignore[operator]  # any callable
    return caught.value.code


def test_the_backend_must_be_named(tmp_path: Path) -> None:
    assert code(lambda: key_source("keyring:vault", tmp_path)) == "CF-AUTHD-040"
    assert code(lambda: key_source("keyring:", tmp_path, {"key_backend": MEMORY})) == "CF-AUTHD-015"


@pytest.mark.parametrize(
    "backend",
    [
        "keyring.backends.null.Keyring",
        "keyring.backends.fail.Keyring",
        "no.such.Backend",
        "support_stores.NothingKeyring",
    ],
)
def test_a_backend_that_keeps_nothing_is_refused(backend: str) -> None:
    assert code(KeyringKey("vault", backend).keys) == "CF-AUTHD-041"


def test_a_missing_key_is_told_and_can_be_made_once(memory_keyring: type[MemoryKeyring]) -> None:
    source = KeyringKey("vault", MEMORY)
    assert code(source.keys) == "CF-AUTHD-043"
    source.create()
    assert len(source.keys()) == 1
    assert code(source.create) == "CF-AUTHD-044"


def test_what_is_no_key_is_told(memory_keyring: type[MemoryKeyring]) -> None:
    memory_keyring.items["connector-framework vault key", "vault"] = "rubbish"
    assert code(KeyringKey("vault", MEMORY).keys) == "CF-AUTHD-014"


def test_what_the_keyring_raises_is_told_by_its_type_only(memory_keyring: type[MemoryKeyring]) -> None:
    MemoryKeyring.broken = RuntimeError("with something of the key")
    with pytest.raises(AuthDataError, match="RuntimeError") as caught:
        KeyringKey("vault", MEMORY).keys()
    MemoryKeyring.broken = None
    assert caught.value.code == "CF-AUTHD-042"
    assert "something" not in str(caught.value)


def test_a_home_without_room_for_the_lock_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    assert code(KeyringKey("vault", MEMORY).create) == "CF-AUTHD-045"


def check_the_vault(tmp_path: Path, backend: str, name: str) -> FileVault:
    settings = {"path": str(tmp_path / "v"), "key": f"keyring:{name}", "key_backend": backend}
    KeyringKey(name, backend).create()
    vault = file_store(settings)
    entry = vault.put("a", "u", Secret("p"))
    before = KeyringKey(name, backend).keys()
    assert vault.rotate_key() == 1
    (after,) = KeyringKey(name, backend).keys()
    assert after.key_id != before[0].key_id
    assert dict(file_store(settings).load()) == {"a": entry}
    return vault


def test_a_vault_with_its_key_in_a_keyring_is_kept_and_rotated(
    memory_keyring: type[MemoryKeyring], tmp_path: Path
) -> None:
    vault = check_the_vault(tmp_path, MEMORY, "vault")
    other = KeyringKey("another", MEMORY)
    other.create()
    assert code(FileVault(tmp_path / "v", other).load) == "CF-AUTHD-022"
    assert "vault" in repr(KeyringKey("vault", MEMORY))
    assert vault.stamp() == vault.stamp()


def test_a_real_secret_service_holds_the_key(real_keyring: Path, tmp_path: Path) -> None:
    check_the_vault(tmp_path, SECRET_SERVICE, f"vault of {tmp_path.name}")
