"""The vault's key in the environment, `env:NAME` (AUTHD-1).

It may hold several keys, separated by blanks or line ends: that is how a key that is set outside is rotated.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any, NoReturn, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import file_stamp
from connector.security.key_text import found_keys, parse_keys
from connector.security.vault_cipher import VaultKey

KEY_VARIABLE_MISSING = Reason(
    "CF-AUTHD-013",
    "neither the environment variable {name} nor {name}_FILE is set; one must give the vault's key.",
    "Set it where the container is started.",
)
KEY_NOT_OURS = Reason(
    "CF-AUTHD-016",
    "the vault's key comes from the environment variable {name}, which can't be changed from here.",
    "Append the new key to it, after a blank, wherever this list is read, and rotate again; then take the old one out.",
)
MOUNTED_KEY_UNREADABLE = Reason(
    "CF-AUTHD-019", "the file {path}, which holds the vault's key, can't be read: {why}.", "Correct the variable."
)


@final
class KeyVariable:
    """A key in an environment variable NAME, or in the file that NAME_FILE names (for mounted secrets).

    Args:
        name: The variable.
        environment: The environment; the process's own where None.
    """

    changeable = False

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
            keys = parse_keys(self._environment[self._name].encode("utf-8", "replace"))
            return found_keys(keys, f"the environment variable {self._name}")
        path = self._environment.get(f"{self._name}_FILE")
        if path is None:
            raise AuthDataError(KEY_VARIABLE_MISSING, name=self._name)
        return found_keys(parse_keys(_mounted(Path(path))), f"the file in {self._name}_FILE")

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Always refused (CF-AUTHD-016): what is set outside can't be changed from here."""
        raise AuthDataError(KEY_NOT_OURS, name=self._name)

    def fresh(self) -> VaultKey:
        """Refused like `replace`."""
        raise AuthDataError(KEY_NOT_OURS, name=self._name)

    def create(self) -> None:
        """Refused like `replace`."""
        raise AuthDataError(KEY_NOT_OURS, name=self._name)

    def changing(self) -> AbstractContextManager[None]:
        """Nothing to keep others away from."""
        return nullcontext()

    def stamp(self) -> Hashable:
        """Changes when the mounted file does; the environment itself does not change."""
        path = self._environment.get(f"{self._name}_FILE")
        return None if path is None else file_stamp(Path(path))

    def __repr__(self) -> str:
        return f"<KeyVariable {self._name}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a KeyVariable can't be pickled or copied: its environment holds the key")


def _mounted(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise AuthDataError(MOUNTED_KEY_UNREADABLE, path=path, why=error.strerror) from error
