"""The vault's key in a file of its own, `file:PATH` (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

import os
import stat
from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import exclusive, file_stamp, replace_file
from connector.security.key_text import found_keys, key_text, parse_keys
from connector.security.vault_cipher import VaultKey

KEY_FOLDER_UNWRITABLE = Reason(
    "CF-AUTHD-009", "no key file can be made at {path}: {why}.", "Choose a folder that this process may write to."
)
KEY_FILE_MISSING = Reason(
    "CF-AUTHD-010",
    "the vault's key file {path} does not exist.",
    "Bring it back; without it the vault can't be read. For a new list: `connector auth-data init-key`.",
)
KEY_FILE_EXPOSED = Reason(
    "CF-AUTHD-011",
    "the vault's key file {path} can be read by others (mode {mode}).",
    "Run `chmod 600 {path}`, and rotate the key if somebody may have read it.",
)
KEY_FILE_UNREADABLE = Reason(
    "CF-AUTHD-012", "the vault's key file {path} can't be read: {why}.", "Give this process access to it."
)
KEY_FILE_EXISTS = Reason(
    "CF-AUTHD-017",
    "the key file {path} exists already; a new key in its place would make the vault unreadable.",
    "Use `connector auth-data rotate-key`, or another path.",
)
KEY_FILE_UNWRITABLE = Reason(
    "CF-AUTHD-018", "the key file {path} can't be written: {why}.", "Put that right and try again; the old key counts."
)


@final
class KeyFile:
    """Keys in a file of mode 0600.

    Args:
        path: The file.
    """

    changeable = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys in the file.

        Raises:
            AuthDataError: Missing, exposed to others, unreadable or malformed (CF-AUTHD-010, 011, 012, 014).
        """
        try:
            with self._path.open("rb") as file:
                mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)  # of the file that is read, not of the path
                keys = parse_keys(file.read()) if not mode & 0o077 else ()
        except FileNotFoundError:
            raise AuthDataError(KEY_FILE_MISSING, path=self._path) from None
        except OSError as error:
            raise AuthDataError(KEY_FILE_UNREADABLE, path=self._path, why=error.strerror) from error
        if mode & 0o077:
            raise AuthDataError(KEY_FILE_EXPOSED, path=self._path, mode=f"{mode:04o}")
        return found_keys(keys, f"the key file {self._path}")

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Replace the file atomically. Raises AuthDataError (CF-AUTHD-018)."""
        try:
            replace_file(self._path, key_text(keys).encode())
        except OSError as error:
            # Without its traceback, whose frames hold the text of the keys.
            why = error.with_traceback(None)
            raise AuthDataError(KEY_FILE_UNWRITABLE, path=self._path, why=error.strerror) from why

    def fresh(self) -> VaultKey:
        """A new random key, not kept yet."""
        return VaultKey.generate()

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Alone among those who change the file. Blocks until they are done. Raises AuthDataError (CF-AUTHD-018)."""
        try:
            with exclusive(self._path):
                yield
        except OSError as error:
            raise AuthDataError(KEY_FILE_UNWRITABLE, path=self._path, why=error.strerror) from error

    def create(self) -> None:
        """Make the file with a new random key, mode 0600; see `generate_key`."""
        generate_key(self._path)

    def stamp(self) -> Hashable:
        """Changes when the file does."""
        return file_stamp(self._path)

    def __repr__(self) -> str:
        return f"<KeyFile {self._path}>"


def generate_key(path: Path) -> KeyFile:
    """Make a key file with a new random key, mode 0600. Blocks for the disk.

    Raises:
        AuthDataError: There is a file already (CF-AUTHD-017), or it can't be written (CF-AUTHD-009, 018).
    """
    source = KeyFile(path)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with exclusive(path):
            if path.exists():
                raise AuthDataError(KEY_FILE_EXISTS, path=path)
            source.replace((VaultKey.generate(),))
    except OSError as error:
        raise AuthDataError(KEY_FOLDER_UNWRITABLE, path=path, why=error.strerror) from error
    return source
