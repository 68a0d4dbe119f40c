"""Where the vault's key comes from: `file:PATH` or `env:NAME` (AUTHD-1, AUTHD-5).

A key file holds one key a line, 32 bytes in base64.  There is one line, except while a rotation is under way: then the
old and the new key stand side by side, and the vault's header tells which of them it needs.
"""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NoReturn, Protocol, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import exclusive, replace_file
from connector.security.vault_cipher import VaultKey

KEY_FILE_MISSING = Reason(
    "CF-AUTHD-010",
    "the vault's key file {path} does not exist.",
    "Bring it back from where it is kept; without it the vault can't be read. For a new vault: `connector init`.",
)
KEY_FILE_EXPOSED = Reason(
    "CF-AUTHD-011",
    "the vault's key file {path} can be read by others (mode {mode}).",
    "Run `chmod 600 {path}`, and rotate the key if somebody may have read it.",
)
KEY_FILE_UNREADABLE = Reason(
    "CF-AUTHD-012", "the vault's key file {path} can't be read: {why}.", "Give this process access to it."
)
KEY_VARIABLE_MISSING = Reason(
    "CF-AUTHD-013",
    "neither the environment variable {name} nor {name}_FILE is set; one must give the vault's key.",
    "Set it where the container is started.",
)
KEY_MALFORMED = Reason(
    "CF-AUTHD-014", "{source} does not hold a vault key.", "A key is 32 random bytes in base64, one a line."
)
KEY_SOURCE_UNKNOWN = Reason(
    "CF-AUTHD-015", "the key source {source!r} is unknown.", "Use `file:PATH` or `env:NAME` for `key` in [auth_data]."
)
KEY_NOT_OURS = Reason(
    "CF-AUTHD-016",
    "the vault's key comes from the environment variable {name}, which can't be changed from here.",
    "Keep the key in a file to rotate it.",
)
KEY_FILE_EXISTS = Reason(
    "CF-AUTHD-017",
    "the key file {path} exists already; a new key in its place would make the vault unreadable.",
    "Use `connector auth-data rotate-key`, or another path.",
)
KEY_FILE_UNWRITABLE = Reason(
    "CF-AUTHD-018", "the key file {path} can't be written: {why}.", "Put that right and try again; the old key counts."
)
KEY_FOLDER_UNWRITABLE = Reason(
    "CF-AUTHD-009", "no key file can be made at {path}: {why}.", "Choose a folder that this process may write to."
)
MOUNTED_KEY_UNREADABLE = Reason(
    "CF-AUTHD-019", "the file {path}, which holds the vault's key, can't be read: {why}.", "Correct the variable."
)


class KeySource(Protocol):
    """Where the vault gets its keys from. Methods may block for the disk; safe to call from any thread."""

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys, at least one; the first is for a new vault. Raises AuthDataError."""
        ...

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Keep these keys from now on, atomically. Raises AuthDataError where the source can't be changed."""
        ...


@final
class KeyFile:
    """Keys in a file of mode 0600.

    Args:
        path: The file.
    """

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
                keys = _parse(file.read()) if not mode & 0o077 else ()
        except FileNotFoundError:
            raise AuthDataError(KEY_FILE_MISSING, path=self._path) from None
        except OSError as error:
            raise AuthDataError(KEY_FILE_UNREADABLE, path=self._path, why=error.strerror) from error
        if mode & 0o077:
            raise AuthDataError(KEY_FILE_EXPOSED, path=self._path, mode=f"{mode:04o}")
        return _found(keys, f"the key file {self._path}")

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Replace the file atomically. Raises AuthDataError (CF-AUTHD-018)."""
        try:
            replace_file(self._path, "".join(f"{key.reveal()}\n" for key in keys).encode())
        except OSError as error:
            # Without its traceback, whose frames hold the text of the keys.
            why = error.with_traceback(None)
            raise AuthDataError(KEY_FILE_UNWRITABLE, path=self._path, why=error.strerror) from why

    def __repr__(self) -> str:
        return f"<KeyFile {self._path}>"


@final
class KeyVariable:
    """A key in an environment variable NAME, or in the file that NAME_FILE names (for mounted secrets).

    Args:
        name: The variable.
        environment: The environment; the process's own where None.
    """

    def __init__(self, name: str, environment: Mapping[str, str] | None = None) -> None:
        self._name = name
        self._environment = os.environ if environment is None else environment

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys.

        Raises:
            AuthDataError: Not set, unreadable or malformed (CF-AUTHD-013, 019, 014). The mode of a mounted secret is
                its orchestrator's business and not checked.
        """
        if self._name in self._environment:
            keys = _parse(self._environment[self._name].encode("utf-8", "replace"))
            return _found(keys, f"the environment variable {self._name}")
        path = self._environment.get(f"{self._name}_FILE")
        if path is None:
            raise AuthDataError(KEY_VARIABLE_MISSING, name=self._name)
        return _found(_parse(_mounted(Path(path))), f"the file in {self._name}_FILE")

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Always refused (CF-AUTHD-016): what is set outside can't be changed from here."""
        raise AuthDataError(KEY_NOT_OURS, name=self._name)

    def __repr__(self) -> str:
        return f"<KeyVariable {self._name}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a KeyVariable can't be pickled or copied: its environment holds the key")


def key_source(text: str, folder: Path) -> KeySource:
    """The key source that a configuration names. Does not block.

    Args:
        text: `file:PATH` or `env:NAME`.
        folder: What a relative path starts from.

    Raises:
        AuthDataError: It names no known kind of source (CF-AUTHD-015).
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return KeyFile(folder / rest)
    if kind == "env" and rest:
        return KeyVariable(rest)
    # Only the kind is shown: what follows may be a key that somebody has put there by mistake.
    raise AuthDataError(KEY_SOURCE_UNKNOWN, source=f"{kind[:16]}:…" if rest else "without a kind")


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


def _mounted(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthDataError(MOUNTED_KEY_UNREADABLE, path=path, why=error.strerror) from error


def _parse(content: bytes) -> tuple[VaultKey, ...]:
    """The keys; none of a text that is not whole. Raises nothing: an error would hold on to this frame and the text."""
    try:
        return tuple(VaultKey(base64.b64decode(line, validate=True)) for line in content.split())
    except (ValueError, binascii.Error):
        return ()


def _found(keys: tuple[VaultKey, ...], source: str) -> tuple[VaultKey, ...]:
    if not keys:
        raise AuthDataError(KEY_MALFORMED, source=source)
    return keys
