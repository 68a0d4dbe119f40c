"""Ends somebody's waiting from another thread, with the reason."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import final

from connector.errors import ConnectorError


@final
class Interrupt:
    """One reason for one waiter at a time. Safe to use from any thread.

    Mutable state: `error`, set once, and `_cancel`, changed under `_lock`.

    Attributes:
        error: Why; None as long as nothing has happened.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancel: Callable[[], None] | None = None
        self.error: ConnectorError | None = None

    def fire(self, error: ConnectorError) -> None:
        """End the waiting, present or to come. Does not block."""
        with self._lock:
            self.error = self.error or error
            cancel = self._cancel
        if cancel is not None:
            cancel()

    def attach(self, cancel: Callable[[], None] | None) -> None:
        """What ends the waiting that begins now; None: nobody waits any more. Called at once where it has fired."""
        with self._lock:
            self._cancel = cancel
            fired = self.error is not None
        if fired and cancel is not None:
            cancel()
