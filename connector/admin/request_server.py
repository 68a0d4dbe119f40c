"""One thread that accepts connections, and one for each request: what admin socket and TLS port have in common."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import final

from connector.admin.visits import Visit, whom_to_shed

log = logging.getLogger("connector.admin")

#: Seconds that a request may take to arrive, and a response to be taken.
TRANSFER_TIMEOUT = 10.0
#: Seconds that requests under way get when the endpoint closes; a `receive` looks twice in that time.
CLOSE_TIMEOUT = 1.0
#: Requests at the same time; more wait in the socket's queue.
MOST_REQUESTS = 32
#: Seconds until the next try where no connection can be accepted, for want of file descriptors say.
BACK_OFF = 0.5


@final
class RequestServer:
    """Serves one listening socket, from the moment it is made. Safe to use from any thread.

    Args:
        listener: Bound and listening; closed by `close`.
        serve: Serves one visit to its end; on a thread of its own, and may raise OSError where the other end goes.
            Whoever has said nothing yet is sent away where all places are taken; see `Visit.heard`.
        what: What listens, for the log.
        monotonic: The time.
    """

    def __init__(
        self,
        listener: socket.socket,
        serve: Callable[[Visit], None],
        what: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._listener = listener
        self._monotonic = monotonic
        self._handle = serve
        self._what = what
        # Mutable: the requests under way with their threads, changed under the lock. `_stopping` is set once.
        self._lock = threading.Lock()
        self._requests: dict[threading.Thread, Visit] = {}
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
                if self._stopping.is_set() or not self._has_place():
                    continue
                try:
                    visit = self._visit()
                except BlockingIOError:  # it has hung up meanwhile
                    self._places.release()
                    continue
                except OSError as error:
                    self._places.release()
                    log.warning("%s could not accept a request: %s", self._what, type(error).__name__)
                    self._stopping.wait(BACK_OFF)
                    continue
                self._start(visit)

    def _visit(self) -> Visit:
        connection, address = self._listener.accept()
        try:
            return Visit(connection, address, self._monotonic())
        except OSError:
            connection.close()
            raise

    def _has_place(self) -> bool:
        """Whether there is a place for one more; where there is none one is made, if somebody can be sent away."""
        if self._places.acquire(blocking=False):
            return True
        with self._lock:
            shed, wait = whom_to_shed(self._requests.values(), self._monotonic())
        if shed is not None:
            log.info("%s sends a connection away that has said nothing: all places are taken", self._what)
            shed.shed()
        return self._places.acquire(timeout=CLOSE_TIMEOUT if wait is None else wait)

    def _start(self, visit: Visit) -> None:
        thread = threading.Thread(target=self._serve, args=(visit,), name="connector-admin-request", daemon=True)
        with self._lock:
            self._requests[thread] = visit
        thread.start()

    def _serve(self, visit: Visit) -> None:
        try:
            with visit:
                self._handle(visit)
        except OSError as error:
            # The other end went away or is too slow: nobody is left to tell.
            log.debug("a request of %s ended early: %s", self._what, type(error).__name__)
        finally:
            with self._lock:
                self._requests.pop(threading.current_thread(), None)
            self._places.release()
