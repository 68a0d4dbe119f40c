"""The vault's key from a passphrase: asked for once, derived with stored parameters, rotated (AUTHD-1)."""

from __future__ import annotations

import getpass
import io
import json
import pickle
import sys
from pathlib import Path
from typing import Any

import pytest
from support_secrets import MARKER, shows_marker
from support_security import variables_showing

from connector.errors import AuthDataError
from connector.security import durable_file
from connector.security import passphrase_key as module
from connector.security.key_derivation import PASSPHRASE_COST, new_derivation, read_derivations, write_derivations
from connector.security.passphrase_key import Asked, PassphraseKey, passphrase_key
from connector.security.passwords import ScryptCost
from connector.security.vault import FileVault, file_store
from connector.spi import Secret

CHEAP = ScryptCost(n=2, r=1, p=1)


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PASSPHRASE_COST", CHEAP)


@pytest.fixture
def parameters(tmp_path: Path) -> Path:
    return tmp_path / "auth-data.kdf"


def source(path: Path, passphrase: str, new: str | None = None, asked: list[Asked] | None = None) -> PassphraseKey:
    def ask(which: Asked) -> Secret:
        if asked is not None:
            asked.append(which)
        return Secret(new if which is Asked.NEW and new is not None else passphrase)

    return PassphraseKey(path, ask, CHEAP)


def refused(use: Any) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        use()
    assert not shows_marker(caught.value)
    assert variables_showing(MARKER, caught.value) == []
    return caught.value


def test_the_same_passphrase_gives_the_same_key_by_the_stored_parameters(parameters: Path) -> None:
    source(parameters, MARKER).create()
    one, other = (source(parameters, MARKER).keys() for _ in range(2))
    assert [key.key_id for key in one] == [key.key_id for key in other]
    assert parameters.stat().st_mode & 0o777 == 0o600
    plain = json.loads(parameters.read_text())
    assert (plain["kdf"], plain["n"], plain["r"], plain["p"]) == ("scrypt", 2, 1, 1)
    assert MARKER not in parameters.read_text()


def test_the_cost_is_that_of_a_password_store_of_today() -> None:
    assert PASSPHRASE_COST.memory >= 64 * 2**20
    assert PASSPHRASE_COST.is_sane


def test_composed_and_decomposed_characters_are_the_same_passphrase(parameters: Path) -> None:
    source(parameters, "Schl\u00fcssel").create()
    assert source(parameters, "Schlu\u0308ssel").keys()


def test_a_wrong_passphrase_is_told_as_one(parameters: Path) -> None:
    source(parameters, "right").create()
    assert refused(source(parameters, MARKER).keys).code == "CF-AUTHD-054"


def test_it_is_asked_for_once(parameters: Path) -> None:
    source(parameters, "p").create()
    asked: list[Asked] = []
    key = source(parameters, "p", asked=asked)
    assert asked == []
    key.keys()
    key.keys()
    assert asked == [Asked.CURRENT]


def test_parameters_are_never_replaced_by_accident(parameters: Path) -> None:
    source(parameters, "p").create()
    assert refused(source(parameters, "p").create).code == "CF-AUTHD-057"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "torn",
        '{"kdf": "md5"}',
        '{"kdf": "scrypt", "n": 1099511627776, "r": 8, "p": 1, "salt": "AAAA", "key_id": "x"}',
        '{"kdf": "scrypt", "n": 3, "r": 8, "p": 1, "salt": "AAAA", "key_id": "x"}',
        '{"kdf": "scrypt", "n": 2, "r": 1, "p": 1, "salt": "é", "key_id": "x"}',
    ],
)
def test_parameters_that_cannot_be_used_are_told_before_anything_is_derived(parameters: Path, text: str) -> None:
    parameters.write_text(text)
    assert refused(source(parameters, "p").keys).code == "CF-AUTHD-056"


def test_missing_and_unreadable_parameters_are_told(parameters: Path, tmp_path: Path) -> None:
    assert refused(source(parameters, "p").keys).code == "CF-AUTHD-055"
    assert refused(source(tmp_path, "p").keys).code == "CF-AUTHD-056"
    assert refused(source(tmp_path / "no folder" / "k", "p").create).code == "CF-AUTHD-058"


def test_derivations_come_back_as_they_were_written() -> None:
    made = tuple(new_derivation(Secret("p"), CHEAP)[0] for _ in range(2))
    assert read_derivations(write_derivations(made)) == made


def vault(folder: Path, passphrase: str, new: str | None = None) -> FileVault:
    return FileVault(folder / "v", source(folder / "auth-data.kdf", passphrase, new))


def test_a_rotation_with_the_same_passphrase_changes_salt_and_key(tmp_path: Path, parameters: Path) -> None:
    source(parameters, "p").create()
    entry = vault(tmp_path, "p").put("a", "u", Secret("x"))
    before = parameters.read_text()
    assert vault(tmp_path, "p").rotate_key() == 1
    assert parameters.read_text() != before
    assert len(parameters.read_text().splitlines()) == 1
    assert dict(vault(tmp_path, "p").load()) == {"a": entry}


def test_a_rotation_to_a_new_passphrase_makes_the_old_one_worthless(tmp_path: Path, parameters: Path) -> None:
    source(parameters, "old").create()
    entry = vault(tmp_path, "old").put("a", "u", Secret("x"))
    rotating = vault(tmp_path, "old", "new")
    rotating.rotate_key()
    assert dict(rotating.load()) == dict(vault(tmp_path, "new").load()) == {"a": entry}
    assert refused(vault(tmp_path, "old").load).code == "CF-AUTHD-054"


class Killed(BaseException):
    """The process died here."""


@pytest.mark.parametrize("step", [0, 1, 2])
def test_a_rotation_that_was_killed_leaves_a_passphrase_that_opens(
    tmp_path: Path, parameters: Path, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    source(parameters, "old").create()
    entry = vault(tmp_path, "old").put("a", "u", Secret("x"))
    writes = 0

    def dying(real: Any) -> Any:
        def call(*args: Any) -> Any:
            nonlocal writes
            writes += 1
            if writes > step:
                raise Killed
            return real(*args)

        return call

    real = durable_file.replace_file
    with monkeypatch.context() as patched:
        for place in ("connector.security.passphrase_key.replace_file", "connector.security.vault.replace_file"):
            patched.setattr(place, dying(real))
        with pytest.raises(Killed):
            vault(tmp_path, "old", "new").rotate_key()
    opens = "new" if step == 2 else "old"
    assert dict(vault(tmp_path, opens).load()) == {"a": entry}
    vault(tmp_path, opens, "newest").rotate_key()
    assert dict(vault(tmp_path, "newest").load()) == {"a": entry}


def test_the_passphrase_is_shown_nowhere(parameters: Path) -> None:
    key = source(parameters, MARKER)
    key.create()
    key.keys()
    assert not shows_marker(key)
    with pytest.raises(TypeError):
        pickle.dumps(key)


# --- where it comes from ---------------------------------------------------------------------------------------------


def configured(folder: Path, **settings: str) -> PassphraseKey:
    return passphrase_key(folder / "k", folder, settings)


def test_a_file_gives_it_and_is_read_again_after_a_wrong_one(tmp_path: Path) -> None:
    secret = tmp_path / "passphrase"
    secret.write_text("right\nnot this line\n")
    configured(tmp_path, passphrase="file:passphrase").create()
    secret.write_text("wrong")
    key = configured(tmp_path, passphrase="file:passphrase")
    assert refused(key.keys).code == "CF-AUTHD-054"
    secret.write_text("right")
    assert len(key.keys()) == 1


def test_standard_input_gives_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"right\nrest")))
    configured(tmp_path, passphrase="stdin").create()
    (tmp_path / "p").write_text("right")
    assert configured(tmp_path, passphrase=f"file:{tmp_path / 'p'}").keys()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_is_asked_twice_for_a_new_one_and_once_for_the_current(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers, prompts = ["p", "p", "p"], list[str]()
    monkeypatch.setattr(sys, "stdin", Terminal())

    def answer(prompt: str) -> str:
        prompts.append(prompt)
        return answers.pop(0)

    monkeypatch.setattr(getpass, "getpass", answer)
    configured(tmp_path).create()
    assert [prompt.partition(" of ")[0] for prompt in prompts] == ["passphrase", "passphrase"]
    assert len(configured(tmp_path).keys()) == 1
    assert len(prompts) == 3


def test_two_different_entries_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = ["one", "two"]
    monkeypatch.setattr(sys, "stdin", Terminal())
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: answers.pop(0))
    assert refused(configured(tmp_path).create).code == "CF-AUTHD-059"
    assert not (tmp_path / "k").exists()


def test_without_a_terminal_nobody_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    error = refused(configured(tmp_path).create)
    assert error.code == "CF-AUTHD-050"
    assert "--passphrase-file" in error.action


@pytest.mark.parametrize(("content", "code"), [(b"", "CF-AUTHD-052"), (b"\xff" + MARKER.encode(), "CF-AUTHD-051")])
def test_a_file_without_a_passphrase_is_told(tmp_path: Path, content: bytes, code: str) -> None:
    (tmp_path / "p").write_bytes(content)
    assert refused(configured(tmp_path, passphrase="file:p").create).code == code


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    assert refused(configured(tmp_path, passphrase="file:none").create).code == "CF-AUTHD-051"


@pytest.mark.parametrize("settings", [{"passphrase": MARKER}, {"new_passphrase": MARKER}])
def test_a_passphrase_in_the_configuration_is_refused_and_not_shown(tmp_path: Path, settings: dict[str, str]) -> None:
    with pytest.raises(AuthDataError) as caught:
        configured(tmp_path, **settings)
    assert caught.value.code == "CF-AUTHD-053"
    assert not shows_marker(caught.value)


def test_the_vault_finds_its_parameters_beside_it(tmp_path: Path) -> None:
    (tmp_path / "p").write_text("p")
    settings = {"path": str(tmp_path / "v"), "key": "passphrase:my.kdf", "passphrase": f"file:{tmp_path / 'p'}"}
    passphrase_key(tmp_path / "my.kdf", tmp_path, settings).create()
    file_store(settings).put("a", "u", Secret("x"))
    assert set(file_store(settings).load()) == {"a"}
