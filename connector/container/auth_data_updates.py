"""Putting changed authentication data in force, on request and by a watch (AUTHD-3)."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from connector.container.periodic import Periodic
from connector.security.authdata_watch import StoreWatch

if TYPE_CHECKING:
    from connector.container.parts import Parts


@final
class AuthDataUpdates:
    """Re-reads the authentication data of a running container and retires what was signed on with older ones.

    Safe to use from any thread: one update at a time.

    Args:
        parts: The container.
        retry: Tries what failed for want of a credential again; called after each update, changed or not.
    """

    def __init__(self, parts: Parts, retry: Callable[[], None]) -> None:
        self._parts = parts
        self._retry = retry
        self._updating = threading.Lock()

    def update(self, reported: str = "") -> frozenset[str]:
        """See `Container.update_auth_data`; blocks and raises as that does.

        Args:
            reported: The text of a failure that the audit log has already; see `AuthDataService.refresh`.
        """
        with self._updating:  # one at a time, so that each compares with what the one before has put in force
            before = self._parts.auth_data.snapshot()
            changed = self._parts.auth_data.refresh(reported=reported)
            for alias in changed:
                data = self._parts.auth_data.get(alias)
                # An alias that is gone has no newer version: whatever was signed on with its last one is superseded.
                oldest_good = data.version if data is not None else before[alias].version + 1
                for resource in list(self._parts.resources.values()):
                    resource.retire(alias, oldest_good, final=data is None)
        self._retry()
        return changed

    def watch(self, interval: float) -> Periodic:
        """Look at the store every so many seconds, from now on, until what is answered is closed."""
        watch = StoreWatch(self._parts.auth_data.store, self.update)
        return Periodic(f"{self._parts.configuration.container.name}-auth-data", interval, watch.look)
