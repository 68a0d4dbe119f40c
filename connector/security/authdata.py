"""The authentication data in force: one snapshot of the store, swapped as a whole (AUTHD-3).

Theory of operation
-------------------
Readers take the snapshot by one attribute read and need no lock; a refresh loads the store, compares, and swaps.  What
can't be loaded changes nothing: the last good data stay in force.  `generation` rises with each swap that changed
something, so whoever cached a decision compares one integer.

An entry's version is what retires connections, so it must rise whenever the credential does.  Not every store can
promise that (environment variables have no memory; a table may be edited by hand, an entry removed and added again),
therefore `_superseding` raises the version here where a store did not.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import final

from connector.errors import AuthDataError, Reason
from connector.spi import AuditEvent, AuditLog, AuthenticationData, AuthenticationDataStore, Outcome

_log = logging.getLogger("connector.security")

ALIAS_UNKNOWN = Reason(
    "CF-AUTHD-001",
    "there is no authentication alias {alias!r} ({count} aliases are known).",
    "Add it with `connector auth-data set {alias}` and refresh, or correct the name (see `connector auth-data list`).",
)

Listener = Callable[[frozenset[str]], None]


@final
class AuthDataService:
    """Authentication data by alias, refreshed without a restart.

    Args:
        store: Where the list rests. Loaded here for the first time.
        audit: Told of every refresh that changed something or failed.

    Constructing blocks for the store and raises AuthDataError where it can't be read. Safe to use from any thread.
    """

    def __init__(self, store: AuthenticationDataStore, audit: AuditLog) -> None:
        self._store = store
        self._audit = audit
        self._refreshing = threading.Lock()  # one load at a time, so that an older one can't overtake a newer one
        # Mutable, changed by _swap under _refreshing (listeners by subscribe): the snapshot with its generation,
        # swapped as one tuple; the highest version ever seen of each alias, kept when an alias goes; the listeners.
        self._current: tuple[int, Mapping[str, AuthenticationData]] = (0, MappingProxyType({}))
        self._highest: dict[str, int] = {}
        self._listeners: tuple[Listener, ...] = ()
        self._failure = ""  # of the last refresh: its text only, since an error holds on to the frames of its traceback
        with self._refreshing:
            self._swap(store.load())

    @property
    def store(self) -> AuthenticationDataStore:
        """The store behind it, for administration."""
        return self._store

    @property
    def generation(self) -> int:
        """Rises with each refresh that changed something. Does not block."""
        return self._current[0]

    def snapshot(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias as they are in force; read-only, never changes. Does not block."""
        return self._current[1]

    def get(self, alias: str) -> AuthenticationData | None:
        """The entry in force, user and password of one version together, or None. Does not block."""
        return self._current[1].get(alias)

    def require(self, alias: str) -> AuthenticationData:
        """The entry in force. Does not block.

        Raises:
            AuthDataError: There is none (CF-AUTHD-001); a named alias is never skipped (SIGN-1).
        """
        entries = self._current[1]
        entry = entries.get(alias)
        if entry is None:
            raise AuthDataError(ALIAS_UNKNOWN, alias=alias, count=len(entries))
        return entry

    @property
    def failure(self) -> str:
        """Why the last refresh failed, with its code; empty where it did not. Does not block."""
        return self._failure

    def refresh(self, *, reported: str = "") -> frozenset[str]:
        """Load the store again, put it in force and tell the listeners.

        Blocks for the store and for the listeners, which are called on this thread after the new data are in force.

        Args:
            reported: The text of a failure that the audit log has already: it is raised again, and not recorded again.

        Returns:
            The aliases that are new, gone or changed; empty where nothing changed.

        Raises:
            AuthDataError: The store can't be read; what was in force stays in force.
        """
        try:
            with self._refreshing:
                changed = self._swap(self._store.load())
                listeners = self._listeners
                self._failure = ""
        except AuthDataError as error:
            self._failure = str(error)
            if str(error) == reported:
                raise
            self._audit.record(AuditEvent("auth-data.refresh", "server", "", Outcome.FAILURE, error.code))
            raise
        if changed:
            details = {"changed": sorted(changed), "generation": self.generation}
            self._audit.record(AuditEvent("auth-data.refresh", "server", "", Outcome.SUCCESS, details=details))
            for listener in listeners:
                _tell(listener, changed)
        return changed

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Call the listener with the changed aliases after each refresh that changed something.

        It is called on the refreshing thread; what it raises is logged and dropped. Does not block, except for a
        refresh that is under way.

        Returns:
            What ends the subscription; harmless when called twice.
        """
        with self._refreshing:
            self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            with self._refreshing:
                self._listeners = tuple(known for known in self._listeners if known is not listener)

        return unsubscribe

    def _swap(self, loaded: Mapping[str, AuthenticationData]) -> frozenset[str]:
        """Put loaded entries in force; answers the changed aliases. Called with `_refreshing` held."""
        generation, known = self._current
        entries = {
            alias: _superseding(entry, known.get(alias), self._highest.get(alias, 0)) for alias, entry in loaded.items()
        }
        changed = frozenset(
            alias for alias in known.keys() | entries.keys() if known.get(alias) is not entries.get(alias)
        )
        self._highest.update({alias: entry.version for alias, entry in entries.items()})
        if changed:
            self._current = (generation + 1, MappingProxyType(entries))
        return changed

    def __repr__(self) -> str:
        generation, entries = self._current
        return f"<AuthDataService of {len(entries)} alias(es), generation {generation}>"


def _superseding(loaded: AuthenticationData, known: AuthenticationData | None, highest: int) -> AuthenticationData:
    """The entry to put in force: the very object that is, where nothing changed, else one with a higher version."""
    if known is not None and loaded.version <= known.version and replace(loaded, version=known.version) == known:
        return known
    return loaded if loaded.version > highest else replace(loaded, version=highest + 1)


def _tell(listener: Listener, changed: frozenset[str]) -> None:
    try:
        listener(changed)
    except Exception as error:  # noqa: BLE001 - one listener must not keep the news from the others
        _log.error("a listener to authentication data raised %s", type(error).__name__)
