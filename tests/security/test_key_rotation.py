"""Which key a rotation leads to: a fresh one, the one that was begun, or the one that a deployer appended (AUTHD-5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from connector.errors import AuthDataError
from connector.security import key_rotation
from connector.security.key_file import KeyFile, generate_key
from connector.security.key_variable import KeyVariable
from connector.security.store_keys import VaultKeys, VaultKeySource
from connector.security.vault import FileVault
from connector.security.vault_cipher import VaultKey
from connector.spi import AuthenticationData, Secret, StoreKeys, StoreKeySource

OLD, NEW, NEXT = (VaultKey(bytes([number]) * 32) for number in range(3))


@pytest.fixture
def file(tmp_path: Path) -> KeyFile:
    source = KeyFile(tmp_path / "k")
    source.replace((OLD,))
    return source


def ids(source: KeyFile) -> list[str]:
    keys = source.keys()
    return [key.key_id for key in keys]


def test_a_fresh_key_is_put_beside_the_old_one(file: KeyFile) -> None:
    new, resumed = key_rotation.begin(file, OLD.key_id)
    assert not resumed
    assert ids(file) == [OLD.key_id, new.key_id]
    key_rotation.end(file, new.key_id)
    assert ids(file) == [new.key_id]


def test_a_rotation_that_was_begun_is_gone_on_with(file: KeyFile) -> None:
    file.replace((OLD, NEW))
    assert [(key.key_id, resumed) for key, resumed in [key_rotation.begin(file, OLD.key_id)]] == [(NEW.key_id, True)]
    assert ids(file) == [OLD.key_id, NEW.key_id]


def test_one_that_only_its_end_lacks_is_ended(file: KeyFile) -> None:
    file.replace((OLD, NEW))
    assert key_rotation.begin(file, NEW.key_id)[1]
    key_rotation.end(file, NEW.key_id)
    assert ids(file) == [NEW.key_id]


def test_ending_keeps_the_key_of_a_rotation_that_began_meanwhile(file: KeyFile) -> None:
    file.replace((OLD, NEW, NEXT))
    key_rotation.end(file, NEW.key_id)
    assert ids(file) == [NEW.key_id, NEXT.key_id]
    key_rotation.end(file, OLD.key_id)
    assert ids(file) == [NEW.key_id, NEXT.key_id]


def test_a_key_that_is_not_there_is_told(file: KeyFile) -> None:
    with pytest.raises(AuthDataError) as caught:
        key_rotation.begin(file, NEW.key_id)
    assert caught.value.code == "CF-AUTHD-027"
    assert ids(file) == [OLD.key_id]


def test_a_variable_is_rotated_by_appending_the_new_key(tmp_path: Path) -> None:
    path = tmp_path / "v"
    entry = FileVault(path, KeyVariable("K", {"K": OLD.reveal()})).put("a", "u", Secret("p"))
    both = KeyVariable("K", {"K": f"{OLD.reveal()} {NEW.reveal()}"})
    assert dict(FileVault(path, both).load()) == {"a": entry}
    assert FileVault(path, both).rotate_key() == 1
    assert dict(FileVault(path, KeyVariable("K", {"K": NEW.reveal()})).load()) == {"a": entry}
    with pytest.raises(AuthDataError) as caught:
        FileVault(path, both).rotate_key()  # the old one still stands there, and no new one
    assert caught.value.code == "CF-AUTHD-016"


def test_a_variable_makes_no_key() -> None:
    with pytest.raises(AuthDataError) as caught:
        KeyVariable("K", {}).create()
    assert caught.value.code == "CF-AUTHD-016"


def test_stores_get_the_same_by_contract(tmp_path: Path) -> None:
    source: StoreKeySource = VaultKeySource(generate_key(tmp_path / "k"))
    (first,) = source.read().ids
    second = source.begin_rotation(first)
    assert source.read().ids == (first, second)
    source.end_rotation(second)
    assert source.read().ids == (second,)


def test_what_a_store_seals_opens_as_that_alone() -> None:
    keys: StoreKeys = VaultKeys((OLD, NEW))
    box = keys.seal_entry(OLD.key_id, AuthenticationData("a", "u", Secret("p"), "d", 3))
    assert keys.open_entry(OLD.key_id, "a", 3, box) == AuthenticationData("a", "u", Secret("p"), "d", 3)
    for key, alias, version in ((NEW, "a", 3), (OLD, "b", 3), (OLD, "a", 4)):
        with pytest.raises(AuthDataError) as caught:
            keys.open_entry(key.key_id, alias, version, box)
        assert caught.value.code == "CF-AUTHD-028"
    with pytest.raises(AuthDataError) as caught:
        keys.open_entry(NEXT.key_id, "a", 3, box)
    assert caught.value.code == "CF-AUTHD-027"


def test_a_seal_vouches_for_its_content_and_is_no_entry() -> None:
    keys = VaultKeys((OLD, NEW))
    seal = keys.seal(OLD.key_id, b"content")
    keys.check(OLD.key_id, b"content", seal)
    for key, content, given in ((OLD, b"other", seal), (NEW, b"content", seal), (OLD, b"content", seal[:-1])):
        with pytest.raises(AuthDataError) as caught:
            keys.check(key.key_id, content, given)
        assert caught.value.code == "CF-AUTHD-028"
    assert OLD.reveal()[:10] not in repr(keys)
