"""Looking at the store again and again, and putting in force what changed (AUTHD-3). No threads, no time."""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable
from typing import final

from connector.errors import AuthDataError, ConnectorError
from connector.spi import AuthenticationDataStore, StampedStore

_log = logging.getLogger("connector.security")


@final
class StoreWatch:
    """Refreshes when the store may have changed; tells a failure once, however often it is met.

    Args:
        store: What is watched. One that is no `StampedStore` is read anew each time.
        refresh: Puts the store's content in force. It is given the text of the failure that was told last, which is not
            to be told again, and raises AuthDataError where the store can't be read; what was in force then stays so.

    For one thread. While the store fails it is tried at each look, whether it has changed or not: what is put right may
    be its key, or somebody's rights.
    """

    # Mutable: the stamp of what is in force, at first equal to none; the text of the failure that was told, or nothing.

    def __init__(self, store: AuthenticationDataStore, refresh: Callable[[str], object]) -> None:
        self._store = store
        self._refresh = refresh
        self._in_force: Hashable = object()
        self._told = ""

    @property
    def failure(self) -> str:
        """Why the store can't be read, or nothing."""
        return self._told

    def look(self) -> None:
        """Look once. Blocks for the store and, where it changed, for all that a refresh does. Raises nothing."""
        stamp = self._stamp()  # before reading: what changes meanwhile is seen at the next look
        if stamp == self._in_force and not self._told:
            return
        try:
            self._refresh(self._told)
        except Exception as error:  # noqa: BLE001 - a store may be anybody's; the watch goes on
            # The text of an error that is not ours may hold anything.
            text = str(error) if isinstance(error, ConnectorError) else type(error).__name__
            if text != self._told:
                _log.warning("the authentication data can't be read, what is in force stays so: %s", text)
            self._told = text
            return
        if self._told:
            _log.info("the authentication data can be read again")
        self._told, self._in_force = "", stamp

    def _stamp(self) -> Hashable:
        """What tells a change; where it can't be told, something that never was."""
        if isinstance(self._store, StampedStore):
            try:
                return self._store.stamp()
            except AuthDataError:
                pass  # the refresh tells it, once
        return object()

    def __repr__(self) -> str:
        return f"<StoreWatch of {self._store!r}>"
