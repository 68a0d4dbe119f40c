"""Where the command line takes passwords from: a prompt, standard input or a file; never an argument (AUTHD-4)."""

from __future__ import annotations

import getpass
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, final

import click

from connector.errors import ConfigError, Reason
from connector.spi import Secret

NO_TERMINAL = Reason(
    "CF-ADM-010",
    "the {what} is needed, and there is no terminal to ask at.",
    "Give it with {options}.",
)
TWO_SOURCES = Reason(
    "CF-ADM-011", "{first} and {second} can't both be used: {why}.", "Use one of them, or a password file."
)
FILE_UNREADABLE = Reason(
    "CF-ADM-012", "the password file {file} can't be read: {kind}.", "Give a file that you may read."
)
EMPTY = Reason("CF-ADM-013", "the {what} is empty.", "Give a password of at least one character.")
NOT_REPEATED = Reason("CF-ADM-014", "the two entries of the {what} differ.", "Nothing was changed; try again.")
NOT_TEXT = Reason("CF-ADM-015", "the {what} is not UTF-8 text.", "Give the password as text in UTF-8.")

_Command = TypeVar("_Command", bound=Callable[..., Any])


@final
@dataclass(frozen=True, slots=True)
class PasswordSource:
    """Where one password comes from.

    Attributes:
        stdin: Whether it is the first line of standard input.
        file: The file whose first line it is, or None. With neither it is prompted for.
        options: The options to name where neither works.
    """

    stdin: bool = False
    file: Path | None = None
    options: str = "--password-stdin or --password-file FILE"

    def read(self, what: str, *, repeat: bool = False) -> Secret:
        """The password; blocks for input.

        Args:
            what: What to ask for, for example "password of alice".
            repeat: Whether a prompt asks twice, as for a new password.

        Raises:
            ConfigError: No source, two sources, an unreadable file, an empty password, or two different entries.
        """
        if self.stdin and self.file is not None:
            raise ConfigError(
                TWO_SOURCES, first="--password-stdin", second="--password-file", why="each gives the same password"
            )
        if self.stdin:
            text = _first_line(sys.stdin.buffer.readline(), what)
        elif self.file is not None:
            text = self._from_file(self.file, what)
        else:
            text = self._prompt(what, repeat=repeat)
        if not text:
            raise ConfigError(EMPTY, what=what)
        return Secret(text)

    def _prompt(self, what: str, *, repeat: bool) -> str:
        # getpass without a terminal would fall back to reading standard input with the echo on.
        if not is_terminal():
            raise ConfigError(NO_TERMINAL, what=what, options=self.options)
        text = getpass.getpass(f"{what}: ")
        if repeat and getpass.getpass(f"{what} again: ") != text:
            raise ConfigError(NOT_REPEATED, what=what)
        return text

    def _from_file(self, file: Path, what: str) -> str:
        try:
            with file.open("rb") as opened:
                line = opened.readline()
        except OSError as error:
            raise ConfigError(FILE_UNREADABLE, file=file, kind=error.strerror or type(error).__name__) from None
        return _first_line(line, what)


def _first_line(line: bytes, what: str) -> str:
    try:
        return line.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        # `from None`: the decoding error holds the bytes, that is the password.
        raise ConfigError(NOT_TEXT, what=what) from None


def is_terminal() -> bool:
    """Whether somebody can be asked."""
    return sys.stdin.isatty()


def password_options(command: _Command) -> _Command:
    """Give a command `--password-stdin` and `--password-file`, as the parameters `password_stdin`, `password_file`."""
    command = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")(command)
    return click.option(
        "--password-file",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Read the password from the first line of a file.",
    )(command)
