"""Passwords come from a prompt, standard input or a file, never from an argument (AUTHD-4)."""

from __future__ import annotations

import getpass
import io
import sys
from pathlib import Path

import pytest

from connector.admin import password_input
from connector.admin.password_input import PasswordSource
from connector.errors import ConfigError


def code_of(source: PasswordSource) -> str:
    with pytest.raises(ConfigError) as caught:
        source.read("password of alice")
    assert caught.value.exit_code == 2
    return caught.value.code


class Input(io.TextIOWrapper):
    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))


@pytest.fixture
def typed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What somebody at the terminal types, entry by entry."""
    entries: list[str] = []
    monkeypatch.setattr(password_input, "is_terminal", lambda: True)
    monkeypatch.setattr(getpass, "getpass", lambda _prompt: entries.pop(0))
    return entries


def test_only_the_first_line_of_standard_input_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", Input(b"se cret \r\nsecond\n"))
    assert PasswordSource(stdin=True).read("p").reveal() == "se cret "


def test_only_the_first_line_of_a_file_counts(tmp_path: Path) -> None:
    path = tmp_path / "password"
    path.write_text("geheim ß\nmore\n", encoding="utf-8")
    assert PasswordSource(file=path).read("p").reveal() == "geheim ß"


@pytest.mark.parametrize(("content", "code"), [(b"", "013"), (b"\n", "013"), (b"\xff\xfe\n", "015")])
def test_empty_and_binary_passwords_are_refused(tmp_path: Path, content: bytes, code: str) -> None:
    path = tmp_path / "password"
    path.write_bytes(content)
    assert code_of(PasswordSource(file=path)) == f"CF-ADM-{code}"


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert code_of(PasswordSource(file=tmp_path / "none")) == "CF-ADM-012"


def test_two_sources_are_one_too_many(tmp_path: Path) -> None:
    assert code_of(PasswordSource(stdin=True, file=tmp_path)) == "CF-ADM-011"


def test_without_a_terminal_nothing_is_read_with_the_echo_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(password_input, "is_terminal", lambda: False)
    assert code_of(PasswordSource()) == "CF-ADM-010"


def test_a_new_password_is_asked_for_twice(typed: list[str]) -> None:
    typed += ["one", "one"]
    assert PasswordSource().read("p", repeat=True).reveal() == "one"
    assert typed == []


def test_two_different_entries_are_refused(typed: list[str]) -> None:
    typed += ["one", "two"]
    with pytest.raises(ConfigError) as caught:
        PasswordSource().read("p", repeat=True)
    assert caught.value.code == "CF-ADM-014"


def test_an_existing_password_is_asked_for_once(typed: list[str]) -> None:
    typed += ["one"]
    assert PasswordSource().read("p").reveal() == "one"
