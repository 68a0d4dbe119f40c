"""The framework's side of `connector.spi.StoreKeySource`: the vault's cipher for stores that are plugins (AUTHD-1)."""

from __future__ import annotations

from typing import final

from connector.errors import AuthDataError, Reason
from connector.security import key_rotation
from connector.security.vault_cipher import VaultKey
from connector.security.vault_document import (
    DocumentUnreadable,
    Sealed,
    open_entry,
    open_seal,
    seal_content,
    seal_entry,
)
from connector.security.vault_key import KeySource
from connector.spi import AuthenticationData

CONTENT_FORGED = Reason(
    "CF-AUTHD-028",
    "the authentication data can't be trusted: {why}.",
    "Bring back the last good copy; the data that were in force stay in force.",
)

_NONCE_BYTES = 12


@final
class VaultKeys:
    """Implements :class:`connector.spi.StoreKeys`. Immutable; no `repr`, pickle or copy shows a key.

    Args:
        keys: At least one; the newest last.
    """

    def __init__(self, keys: tuple[VaultKey, ...]) -> None:
        self._keys = keys

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids, the newest last."""
        return tuple(key.key_id for key in self._keys)

    def seal_entry(self, key_id: str, data: AuthenticationData) -> bytes:
        """Encrypt, bound to alias and version. Raises AuthDataError (CF-AUTHD-027)."""
        _, sealed = seal_entry(self._key(key_id), data)
        return sealed.nonce + sealed.box

    def open_entry(self, key_id: str, alias: str, version: int, box: bytes) -> AuthenticationData:
        """Decrypt. Raises AuthDataError (CF-AUTHD-027, 028)."""
        key = self._key(key_id)
        try:
            return open_entry(key, alias, version, _sealed(box))
        except DocumentUnreadable as unreadable:
            why = str(unreadable)
        raise AuthDataError(CONTENT_FORGED, why=why)

    def seal(self, key_id: str, content: bytes) -> bytes:
        """Vouch for content. Raises AuthDataError (CF-AUTHD-027)."""
        sealed = seal_content(self._key(key_id), content)
        return sealed.nonce + sealed.box

    def check(self, key_id: str, content: bytes, seal: bytes) -> None:
        """Check a seal. Raises AuthDataError (CF-AUTHD-027, 028)."""
        key = self._key(key_id)
        try:
            open_seal(key, content, _sealed(seal))
        except DocumentUnreadable as unreadable:
            why = str(unreadable)
        else:
            return
        raise AuthDataError(CONTENT_FORGED, why=why)

    def _key(self, key_id: str) -> VaultKey:
        key = key_rotation.chosen(self._keys, key_id)
        if key is None:
            raise AuthDataError(key_rotation.KEY_NOT_HERE, needed=key_id, found=key_rotation.ids_of(self._keys))
        return key

    def __repr__(self) -> str:
        return f"<VaultKeys {', '.join(self.ids)}>"


@final
class VaultKeySource:
    """Implements :class:`connector.spi.StoreKeySource` over a key source of the vault.

    Args:
        source: Where the keys come from.

    Constructing reads nothing. Safe to use from any thread.
    """

    def __init__(self, source: KeySource) -> None:
        self._source = source

    def read(self) -> VaultKeys:
        """The keys as they are now. Blocks for the source. Raises AuthDataError as the source does."""
        return VaultKeys(self._source.keys())

    def begin_rotation(self, key_id: str) -> str:
        """See :func:`connector.security.key_rotation.begin`."""
        key, _ = key_rotation.begin(self._source, key_id)
        return key.key_id

    def end_rotation(self, key_id: str) -> None:
        """See :func:`connector.security.key_rotation.end`."""
        key_rotation.end(self._source, key_id)

    def __repr__(self) -> str:
        return f"<VaultKeySource {self._source!r}>"


def _sealed(packed: bytes) -> Sealed:
    return Sealed(packed[:_NONCE_BYTES], packed[_NONCE_BYTES:])
