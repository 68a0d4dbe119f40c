"""Authentication data: the list of aliases with user and password, and the stores that keep it (AUTHD)."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from connector.spi.secret import Secret

if TYPE_CHECKING:
    from connector.spi.store_keys import ProgressListener


@dataclass(frozen=True, slots=True)
class AuthenticationData:
    """One entry of the list: an immutable snapshot of user and password together (AUTHD-1).

    Attributes:
        alias: The entry's unique name.
        user: The user in the external system.
        password: Its password.
        description: For people.
        version: Counts the entry's changes, from 1; a connection that was signed on with a lower one is superseded.
    """

    alias: str
    user: str
    password: Secret
    description: str = ""
    version: int = 1


@runtime_checkable
class AuthenticationDataStore(Protocol):
    """Where the list rests. Each method may block for disk or network; all are safe to call from any thread.

    A store that can't be read raises `connector.errors.AuthDataError`, with a reason that says what to do; it never
    answers an empty list for an unreadable one. Changes are atomic: a kill at any instant leaves the old or the new.
    """

    @property
    def read_only(self) -> bool:
        """Whether `put`, `remove` and `rotate_key` are refused."""
        ...

    def load(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias, decrypted: one consistent snapshot."""
        ...

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        """Add or replace an entry; answers it with its new version."""
        ...

    def remove(self, alias: str) -> bool:
        """Remove an entry; False if there was none."""
        ...

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        """Re-encrypt everything under a new key (AUTHD-5). Answers the number of entries.

        After a kill at any instant everything can be read, and another call goes on where this one was interrupted.

        Args:
            report: Called on this thread with how far it has come; at the end as well.
        """
        ...


@runtime_checkable
class StampedStore(Protocol):
    """A store that can tell cheaply whether it may have changed. Optional; a watch asks it often (AUTHD-3)."""

    def stamp(self) -> Hashable:
        """Something that compares unequal whenever `load` may answer differently than before. May block.

        It holds no secret. Raises AuthDataError where not even that can be told.
        """
        ...


class AuthenticationDataStoreProvider(Protocol):
    """What an entry point in `connector.stores` is: makes a store from its settings.

    A store that needs the framework's encryption has a `connector.spi.KeyedStoreProvider` instead.
    """

    def __call__(self, settings: Mapping[str, Any]) -> AuthenticationDataStore:
        """Make the store. `settings` is the `[auth_data]` table, with file paths made absolute."""
        ...
