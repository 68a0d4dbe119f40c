"""Where the vault's keys come from: what a key source is, and the one that a configuration names (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from connector.errors import AuthDataError, Reason
from connector.security.key_file import KeyFile, generate_key
from connector.security.key_variable import KeyVariable
from connector.security.vault_cipher import VaultKey

KEY_SOURCE_UNKNOWN = Reason(
    "CF-AUTHD-015",
    "the key source {source!r} is unknown.",
    "Use `file:PATH`, `env:NAME`, `keyring:NAME` or `passphrase` for `key` in [auth_data].",
)


class KeySource(Protocol):
    """Where the vault gets its keys from. Methods may block for disk, keyring or derivation; safe from any thread."""

    @property
    def changeable(self) -> bool:
        """Whether `replace`, `fresh` and `create` are not always refused."""
        ...

    def keys(self) -> tuple[VaultKey, ...]:
        """The keys, at least one; the first is for a new vault, the newest the last. Raises AuthDataError."""
        ...

    def fresh(self) -> VaultKey:
        """A new key that `replace` can keep; not kept yet. Raises AuthDataError where the source can't be changed."""
        ...

    def replace(self, keys: tuple[VaultKey, ...]) -> None:
        """Keep these keys from now on, atomically. Raises AuthDataError where the source can't be changed."""
        ...

    def create(self) -> None:
        """Make a first key, where there is none. Raises AuthDataError where there is one, or none can be made."""
        ...

    def changing(self) -> AbstractContextManager[None]:
        """Alone among those who read and then replace. Blocks until they are done. Raises AuthDataError."""
        ...

    def stamp(self) -> Hashable:
        """Changes when what the source reads may have changed, as far as that can be told cheaply. Raises nothing."""
        ...


def key_source(text: str, folder: Path, options: Mapping[str, Any] = MappingProxyType({})) -> KeySource:
    """The key source that a configuration names. Does not block, opens nothing.

    Args:
        text: `file:PATH`, `env:NAME`, `keyring:NAME`, `passphrase` or `passphrase:PATH`.
        folder: What a relative path starts from.
        options: The `[auth_data]` table: `key_backend` for a keyring, `passphrase` and `new_passphrase` for the other.

    Raises:
        AuthDataError: It names no known kind of source (CF-AUTHD-015), or lacks its option.
    """
    kind, _, rest = text.partition(":")
    if kind == "file" and rest:
        return KeyFile(folder / rest)
    if kind == "env" and rest:
        return KeyVariable(rest)
    if kind == "keyring" and rest:
        from connector.security.keyring_key import KeyringKey  # only where it is used

        return KeyringKey(rest, options.get("key_backend"))
    if kind == "passphrase":
        from connector.security.passphrase_key import passphrase_key  # as above

        return passphrase_key(folder / (rest or "auth-data.kdf"), folder, options)
    # Only the kind is shown: what follows may be a key that somebody has put there by mistake.
    raise AuthDataError(KEY_SOURCE_UNKNOWN, source=f"{kind[:16]}:…" if rest else "without a kind")


__all__ = ["KeyFile", "KeySource", "KeyVariable", "generate_key", "key_source"]
