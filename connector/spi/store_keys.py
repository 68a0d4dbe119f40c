"""What a store gets from the framework to encrypt by: the cipher of the vault, under the deployer's keys (AUTHD-1).

A store that keeps its entries where others can read them (a table, a bucket) encrypts nothing itself.  Its provider
implements :class:`KeyedStoreProvider` and is handed the keys that `key` in `[auth_data]` names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from connector.spi.authdata import AuthenticationData, AuthenticationDataStore


class StoreKeys(Protocol):
    """The keys of one instant, each known by its id. Immutable, safe to use from any thread; nothing here blocks.

    Each method raises `connector.errors.AuthDataError` for a key that is not among them, and for content that was
    changed, moved or sealed under another key.
    """

    @property
    def ids(self) -> tuple[str, ...]:
        """The keys' ids: one, except while a rotation is under way; then the newest is the last."""
        ...

    def seal_entry(self, key_id: str, data: AuthenticationData) -> bytes:
        """Encrypt user, password and description, bound to alias and version."""
        ...

    def open_entry(self, key_id: str, alias: str, version: int, box: bytes) -> AuthenticationData:
        """Decrypt what was sealed for that alias and version, and nothing else."""
        ...

    def seal(self, key_id: str, content: bytes) -> bytes:
        """Vouch for content that may be read: who has the key can tell whether it was changed."""
        ...

    def check(self, key_id: str, content: bytes, seal: bytes) -> None:
        """Check that the seal was made for this content under this key."""
        ...


class StoreKeySource(Protocol):
    """Where the keys come from. Methods block for disk, keyring or key derivation; safe to call from any thread."""

    def read(self) -> StoreKeys:
        """The keys as they are now. Raises AuthDataError where there is no usable one."""
        ...

    def begin_rotation(self, key_id: str) -> str:
        """Have a new key beside the one that the store needs; answers the new one's id.

        From now on `read` has both, also after a kill. Where a rotation was begun before and not ended, or the deployer
        has put the next key there already, it answers that key again: a rotation is resumed, not begun anew.

        Raises:
            AuthDataError: The source can't be changed, or does not have the key.
        """
        ...

    def end_rotation(self, key_id: str) -> None:
        """Let go of all keys but this one, which everything is encrypted under now.

        A source that can't be changed keeps them; taking them out is its owner's business.
        """
        ...


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """How far a rotation has come.

    Attributes:
        done: Entries that are encrypted under the new key.
        total: All entries.
        resumed: Whether it goes on with one that was interrupted, under the key that was begun then.
    """

    done: int
    total: int
    resumed: bool = False


ProgressListener = Callable[[RotationProgress], None]


@runtime_checkable
class KeyedStoreProvider(Protocol):
    """A provider in `connector.stores` whose stores use the framework's cipher. It is asked by this method alone."""

    def with_keys(self, settings: Mapping[str, Any], keys: StoreKeySource) -> AuthenticationDataStore:
        """Make the store.

        Args:
            settings: The `[auth_data]` table, with file paths made absolute.
            keys: What `key` in it names. Reading it may fail; that is for the store's own methods to raise.
        """
        ...
