"""The vault's key: from a file that only its owner can read, or from the environment (AUTHD-1)."""

from __future__ import annotations

import base64
import copy
import errno
import pickle
from pathlib import Path

import pytest
from support_security import variables_showing

from connector.errors import AuthDataError
from connector.security.vault_cipher import VaultKey
from connector.security.vault_key import KeyFile, KeyVariable, generate_key, key_source

RAW = bytes(range(32))
TEXT = base64.b64encode(RAW).decode()


def refused(source: KeyFile | KeyVariable) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        source.keys()
    assert TEXT[:20] not in str(caught.value)
    assert variables_showing(TEXT[:20], caught.value) == []
    return caught.value


def test_a_generated_key_file_is_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "vault.key"
    (key,) = generate_key(path).keys()
    assert path.stat().st_mode & 0o777 == 0o600
    assert key_source(f"file:{path}", Path()).keys()[0].key_id == key.key_id


def test_two_generated_keys_differ(tmp_path: Path) -> None:
    one, other = (generate_key(tmp_path / name).keys()[0] for name in ("a", "b"))
    assert one.key_id != other.key_id


def test_an_existing_key_file_is_not_replaced(tmp_path: Path) -> None:
    generate_key(tmp_path / "k")
    with pytest.raises(AuthDataError) as caught:
        generate_key(tmp_path / "k")
    assert caught.value.code == "CF-AUTHD-017"


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(AuthDataError) as caught:
        generate_key(tmp_path / "file" / "k")
    assert caught.value.code == "CF-AUTHD-009"


def test_a_missing_key_file_is_told(tmp_path: Path) -> None:
    assert refused(KeyFile(tmp_path / "k")).code == "CF-AUTHD-010"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620])
def test_a_key_file_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "k"
    generate_key(path)
    path.chmod(mode)
    error = refused(KeyFile(path))
    assert error.code == "CF-AUTHD-011"
    assert f"chmod 600 {path}" in str(error)


def test_a_folder_in_place_of_the_key_file_is_told(tmp_path: Path) -> None:
    assert refused(KeyFile(tmp_path)).code == "CF-AUTHD-012"


@pytest.mark.parametrize("content", ["", "\n", TEXT[:-4], TEXT + "\nrubbish", "é", TEXT + TEXT])
def test_what_is_no_key_is_told_without_showing_it(tmp_path: Path, content: str) -> None:
    path = tmp_path / "k"
    path.touch(0o600)
    path.write_text(content)
    assert refused(KeyFile(path)).code == "CF-AUTHD-014"
    assert refused(KeyVariable("K", {"K": content})).code == "CF-AUTHD-014"


def test_a_key_may_come_from_a_variable_or_from_the_file_it_names(tmp_path: Path) -> None:
    mounted = tmp_path / "mounted"
    mounted.write_text(TEXT + "\n")
    by_value = KeyVariable("K", {"K": TEXT}).keys()
    by_file = KeyVariable("K", {"K_FILE": str(mounted)}).keys()
    assert by_value[0].key_id == by_file[0].key_id == VaultKey(RAW).key_id


def test_the_process_environment_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUR_VAULT_KEY", TEXT)
    assert key_source("env:OUR_VAULT_KEY", Path()).keys()[0].key_id == VaultKey(RAW).key_id


def test_a_variable_that_is_not_set_is_told(tmp_path: Path) -> None:
    assert refused(KeyVariable("K", {})).code == "CF-AUTHD-013"
    assert refused(KeyVariable("K", {"K_FILE": str(tmp_path / "none")})).code == "CF-AUTHD-019"


def test_a_variable_cannot_be_rotated() -> None:
    with pytest.raises(AuthDataError) as caught:
        KeyVariable("K", {"K": TEXT}).replace((VaultKey(RAW),))
    assert caught.value.code == "CF-AUTHD-016"


def test_a_key_file_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    with pytest.raises(AuthDataError) as caught:
        KeyFile(tmp_path / "none" / "k").replace((VaultKey(RAW),))
    assert caught.value.code == "CF-AUTHD-018"


@pytest.mark.parametrize("text", ["", "vault.key", "file:", "http://x", TEXT])
def test_an_unknown_kind_of_source_is_refused(text: str) -> None:
    with pytest.raises(AuthDataError) as caught:
        key_source(text, Path())
    assert caught.value.code == "CF-AUTHD-015"
    assert TEXT not in str(caught.value)


def test_a_key_shows_itself_nowhere(tmp_path: Path) -> None:
    key = VaultKey(RAW)
    for shown in (repr(key), str(key), f"{key}", repr(KeyFile(tmp_path)), repr(KeyVariable("K", {"K": TEXT}))):
        assert TEXT[:20] not in shown
        assert repr(RAW)[2:20] not in shown
    with pytest.raises(TypeError):
        pickle.dumps(key)
    with pytest.raises(TypeError):
        copy.copy(key)


def test_a_key_has_32_bytes() -> None:
    with pytest.raises(ValueError):
        VaultKey(b"short")


def test_a_key_file_that_cannot_be_written_shows_no_key_in_its_error(tmp_path: Path) -> None:
    with pytest.raises(AuthDataError) as caught:
        KeyFile(tmp_path / "no such folder" / "k").replace((VaultKey(RAW),))
    assert caught.value.code == "CF-AUTHD-018"
    assert variables_showing(TEXT[:20], caught.value) == []


def test_a_full_disk_shows_no_key_in_its_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("connector.security.durable_file.os.fsync", full)
    with pytest.raises(AuthDataError, match="No space left") as caught:
        KeyFile(tmp_path / "k").replace((VaultKey(RAW),))
    assert variables_showing(TEXT[:20], caught.value) == []
