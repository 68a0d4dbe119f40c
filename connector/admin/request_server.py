"""One thread that accepts connections, and one for each request: what admin socket and TLS port have in common."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from collections.abc import Callable
from typing import final

log = logging.getLogger("connector.admin")

#: Seconds that a request may take to arrive, and a response to be taken.
TRANSFER_TIMEOUT = 10.0
#: Seconds that requests under way get when the endpoint closes; a `receive` looks twice in that time.
CLOSE_TIMEOUT = 1.0
#: Requests at the same time; more wait in the socket's queue.
MOST_REQUESTS = 32


@final
class RequestServer:
    """Serves one listening socket, from the moment it is made. Safe to use from any thread.

    Args:
        listener: Bound and listening; closed by `close`.
        serve: Serves one connection to its end; on a thread of its own, and may raise OSError where the other end goes.
        what: What listens, for the log.
    """

    def __init__(self, listener: socket.socket, serve: Callable[[socket.socket], None], what: str) -> None:
        self._listener = listener
        self._handle = serve
        self._what = what
        # Mutable: the threads of requests under way, changed under the lock. `_stopping` is set once.
        self._lock = threading.Lock()
        self._requests: set[threading.Thread] = set()
        self._stopping = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_REQUESTS)
        self._waker, self._woken = socket.socketpair()
        # Whoever hangs up between select and accept must not make accept wait for the next one.
        self._listener.settimeout(0)
        self._acceptor = threading.Thread(target=self._accept, name="connector-admin", daemon=True)
        self._acceptor.start()

    @property
    def stopping(self) -> bool:
        """Whether it takes no more requests."""
        return self._stopping.is_set()

    def close(self) -> bool:
        """Take no more requests, give those under way a second. False when it was closed before: harmless."""
        if self._stopping.is_set():
            return False
        self._stopping.set()
        self._waker.send(b"x")
        self._acceptor.join()
        with self._lock:
            under_way = list(self._requests)
        for thread in under_way:
            thread.join(CLOSE_TIMEOUT / len(under_way))
        for each in (self._listener, self._waker, self._woken):
            each.close()
        return True

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                selector.select()
                if self._stopping.is_set() or not self._places.acquire(timeout=CLOSE_TIMEOUT):
                    continue
                try:
                    connection, _ = self._listener.accept()
                except OSError as error:
                    self._places.release()
                    log.warning("%s could not accept a request: %s", self._what, type(error).__name__)
                    continue
                self._start(connection)

    def _start(self, connection: socket.socket) -> None:
        thread = threading.Thread(target=self._serve, args=(connection,), name="connector-admin-request", daemon=True)
        with self._lock:
            self._requests.add(thread)
        thread.start()

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection:
                self._handle(connection)
        except OSError as error:
            # The other end went away or is too slow: nobody is left to tell.
            log.debug("a request of %s ended early: %s", self._what, type(error).__name__)
        finally:
            self._places.release()
            with self._lock:
                self._requests.discard(threading.current_thread())
