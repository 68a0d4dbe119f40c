"""Where the passphrase comes from: a prompt, standard input, or a file; never a configuration (AUTHD-1, AUTHD-4)."""

from __future__ import annotations

import getpass
import sys
from pathlib import Path

from connector.errors import AuthDataError, Reason
from connector.spi import Secret

PASSPHRASE_NO_TERMINAL = Reason(
    "CF-AUTHD-050",
    "the passphrase of the authentication data is needed, and there is no terminal to ask at.",
    'Give it with --passphrase-file FILE or --passphrase-stdin, or as passphrase = "file:PATH" in [auth_data].',
)
PASSPHRASE_UNREADABLE = Reason(
    "CF-AUTHD-051", "the passphrase can't be read from {source}: {why}.", "Correct the path or give access to it."
)
PASSPHRASE_EMPTY = Reason("CF-AUTHD-052", "the passphrase is empty.", "Give one of at least one character.")
PASSPHRASE_SOURCE_UNKNOWN = Reason(
    "CF-AUTHD-053",
    "the source of the passphrase is of the unknown kind {kind!r}.",
    "Use `prompt`, `stdin` or `file:PATH`; the passphrase itself stands in no configuration.",
)
PASSPHRASES_DIFFER = Reason(
    "CF-AUTHD-059", "the two entries of the passphrase differ.", "Nothing was changed; try again."
)

PROMPT, STDIN, FILE = "prompt", "stdin", "file:"


def check_passphrase_source(source: str) -> None:
    """Raises AuthDataError (CF-AUTHD-053) for what is no source; shows only what can't be a passphrase."""
    if source not in (PROMPT, STDIN) and not source.startswith(FILE):
        raise AuthDataError(PASSPHRASE_SOURCE_UNKNOWN, kind=f"{source[:2]}…")


def read_passphrase(source: str, folder: Path, what: str, *, repeat: bool = False) -> Secret:
    """The passphrase: the first line of what the source names. Blocks for input; for one thread at a time.

    Args:
        source: `prompt`, `stdin` or `file:PATH`.
        folder: What a relative path starts from.
        what: What to ask for at a terminal.
        repeat: Whether to ask twice there, as for a new one.

    Raises:
        AuthDataError: No terminal (CF-AUTHD-050), unreadable or no UTF-8 (051), empty (052), two entries that differ
            (059).
    """
    if source == PROMPT:
        # getpass without a terminal would fall back to reading standard input with the echo on.
        if not sys.stdin.isatty():
            raise AuthDataError(PASSPHRASE_NO_TERMINAL)
        secret = Secret(getpass.getpass(f"{what}: "))
        if repeat and Secret(getpass.getpass(f"{what} again: ")) != secret:
            raise AuthDataError(PASSPHRASES_DIFFER)
    elif source == STDIN:
        secret = _decoded(sys.stdin.buffer.readline(), "standard input")
    else:
        path = folder / source.removeprefix(FILE)
        secret = _decoded(_first_line(path), str(path))
    if not secret:
        raise AuthDataError(PASSPHRASE_EMPTY)
    return secret


def _first_line(path: Path) -> bytes:
    try:
        with path.open("rb") as opened:
            return opened.readline()
    except OSError as error:
        raise AuthDataError(PASSPHRASE_UNREADABLE, source=path, why=error.strerror) from error


def _decoded(line: bytes, source: str) -> Secret:
    """Raises outside of the handler and without the line in its frame: the bytes are the passphrase."""
    try:
        return Secret(line.decode().rstrip("\r\n"))
    except UnicodeDecodeError:
        line = b""
    raise AuthDataError(PASSPHRASE_UNREADABLE, source=source, why="it is not UTF-8 text")
