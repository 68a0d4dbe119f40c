"""Hears what becomes free in a shared store, on the connection that also stands for this engine's life."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any, final

from connector.errors import MessagingError
from connector_bus.store.writer import STORE_CLOSED

_LOG = logging.getLogger("connector_bus.store")

#: What an engine tells itself to end its listening.
_END = "end of "


@final
class Listener:
    """One connection that listens, and the thread that waits on it.

    Args:
        link: Opens a driver's connection in autocommit mode.
        channel: Where notifications come.
        place: How the log names the store.

    Mutable state: `_connection`, `_listener`, `_closed`, changed under `_lock`. The thread is one for each connection.
    """

    def __init__(self, link: Callable[[], Any], channel: str, place: str) -> None:
        self._link = link
        self._channel = channel
        self._place = place
        self._lock = threading.Lock()
        self._connection: Any = None
        self._listener: Callable[[str | None], None] | None = None
        self._thread: threading.Thread | None = None
        self._closed = False

    @property
    def is_connected(self) -> bool:
        """Whether the connection stands, as far as is known."""
        return self._connection is not None and not self._connection.closed

    def connect(self, use: Callable[[Any], None]) -> None:
        """Open a new connection, in place of one that there may be; `use` may take locks on it before it listens.

        Blocks for the database. Raises what the driver and `use` raise, MessagingError CF-BUS-052 once closed.
        """
        self._disconnect()
        if self._closed:
            raise MessagingError(STORE_CLOSED, store=self._place)
        connection = self._link()
        try:
            use(connection)
            connection.execute(f'LISTEN "{self._channel.replace(chr(34), chr(34) * 2)}"')
        except BaseException:
            connection.close()
            raise
        with self._lock:
            # Closed meanwhile: its lock must go with it, or others would take this engine for alive.
            closed = self._closed
            if not closed:
                self._connection = connection
            listener = self._listener
        if closed:
            connection.close()
            raise MessagingError(STORE_CLOSED, store=self._place)
        if listener is not None:
            self._run_with(connection, listener)
            listener(None)  # whatever was told while nobody listened

    def start(self, listener: Callable[[str | None], None]) -> None:
        """Begin to tell a listener. Does not block."""
        with self._lock:
            self._listener = listener
            connection = self._connection
        self._run_with(connection, listener)

    def close(self) -> None:
        """Stop listening, for good, and let go of the connection. Harmless when called twice."""
        with self._lock:
            self._closed = True
        self._disconnect()

    def _run_with(self, connection: Any, listener: Callable[[str | None], None]) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(connection, listener), name=f"bus-listener-{self._channel}", daemon=True
        )
        self._thread.start()

    def _run(self, connection: Any, listener: Callable[[str | None], None]) -> None:
        try:
            for notification in connection.notifies():
                if notification.payload == _END + str(connection.info.backend_pid):
                    return
                listener(notification.payload or None)
        except Exception as error:  # noqa: BLE001 - a driver's error; the next look finds the connection broken
            _LOG.warning("%s: the connection that listens is broken: %s", self._place, type(error).__name__)
            connection.close()

    def _disconnect(self) -> None:
        with self._lock:
            connection, self._connection = self._connection, None
            thread, self._thread = self._thread, None
        if connection is None:
            return
        if thread is not None:
            self._wake(connection.info.backend_pid)
            thread.join(5)
        connection.close()

    def _wake(self, backend: int) -> None:
        """Have the waiting thread end: by a notification of our own, since nothing else ends its wait in order."""
        try:
            other = self._link()
        except Exception:  # noqa: BLE001 - without a server there is nothing to wait for either
            return
        with other:
            other.execute("SELECT pg_notify(%s, %s)", (self._channel, f"{_END}{backend}"))
