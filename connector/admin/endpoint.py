"""The admin endpoint of a running container: a Unix socket in its state folder (CONF-7)."""

from __future__ import annotations

import logging
import selectors
import socket
import threading
from pathlib import Path
from typing import final

from connector.admin.address import SocketAddress
from connector.admin.dispatch import Dispatcher
from connector.admin.failure import Failure
from connector.admin.wire import (
    REQUEST_LIMIT,
    RESPONSE_LIMIT,
    ProtocolError,
    decode,
    encode,
    has_gone,
    is_trusted_peer,
    peer_uid,
    read_line,
)
from connector.errors import AccessDenied, Reason

log = logging.getLogger("connector.admin")

PEER_REFUSED = Reason(
    "CF-ADM-052",
    "the admin endpoint serves its own user only, and was asked by user id {uid}.",
    "Run the command as the user that the container runs as.",
)
#: Seconds that a request may take to arrive, and a response to be taken.
TRANSFER_TIMEOUT = 10.0
#: Seconds that requests under way get when the endpoint closes; a `receive` looks twice in that time.
CLOSE_TIMEOUT = 1.0
#: Requests at the same time; more wait in the socket's queue.
MOST_REQUESTS = 32


@final
class AdminEndpoint:
    """Listens on a socket of mode 0600, one thread for each request. Serves from the moment it is made.

    Args:
        state_folder: The container's state folder.
        dispatcher: Carries the requests out.

    Raises OSError where the socket can't be made. Safe to use from any thread.
    """

    def __init__(self, state_folder: Path, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._address = SocketAddress(state_folder)
        # Mutable: the threads of requests under way, changed under the lock. `_stopping` is set once.
        self._lock = threading.Lock()
        self._requests: set[threading.Thread] = set()
        self._stopping = threading.Event()
        self._places = threading.BoundedSemaphore(MOST_REQUESTS)
        self._waker, self._woken = socket.socketpair()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            self._listener.bind(str(self._address.path))
            # Between bind and listen nobody can connect, so the mode is right before the first one could.
            self._address.path.chmod(0o600)
            self._listener.listen(MOST_REQUESTS)
            # Whoever hangs up between select and accept must not make accept wait for the next one.
            self._listener.settimeout(0)
        except OSError:
            for each in (self._listener, self._waker, self._woken):
                each.close()
            self._address.release()
            raise
        self._acceptor = threading.Thread(target=self._accept, name="connector-admin", daemon=True)
        self._acceptor.start()

    @property
    def path(self) -> Path:
        """Where the socket is."""
        return self._address.path

    def close(self) -> None:
        """Take no more requests, give those under way a second, take the socket away. Harmless when called twice."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._waker.send(b"x")
        self._acceptor.join()
        with self._lock:
            under_way = list(self._requests)
        for thread in under_way:
            thread.join(CLOSE_TIMEOUT / len(under_way))
        self._listener.close()
        self._waker.close()
        self._woken.close()
        self._address.release()

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
                    log.warning("the admin endpoint could not accept a request: %s", type(error).__name__)
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
                answer = self._answer(connection)
                if answer is not None:
                    connection.settimeout(TRANSFER_TIMEOUT)
                    connection.sendall(answer)
        except OSError as error:
            # The other end went away or is too slow: nobody is left to tell.
            log.debug("a request of the admin endpoint ended early: %s", type(error).__name__)
        finally:
            self._places.release()
            with self._lock:
                self._requests.discard(threading.current_thread())

    def _answer(self, connection: socket.socket) -> bytes | None:
        """The response to the request on a connection; None for a connection that asks nothing (a probe)."""
        uid = peer_uid(connection)
        try:
            _check_peer(uid)
            line = read_line(connection, REQUEST_LIMIT, TRANSFER_TIMEOUT)
            if not line:
                return None
            request = decode(line, "request")
            response = self._dispatcher.answer(request, uid=uid, abandoned=lambda: self._is_abandoned(connection))
            return encode(response, RESPONSE_LIMIT)
        except (AccessDenied, ProtocolError) as error:
            log.warning("the admin endpoint refused a request: %s", error.code)
            return encode({"error": Failure.of(error).to_dict()}, RESPONSE_LIMIT)

    def _is_abandoned(self, connection: socket.socket) -> bool:
        return self._stopping.is_set() or has_gone(connection)


def _check_peer(uid: int | None) -> None:
    if not is_trusted_peer(uid):
        raise AccessDenied(PEER_REFUSED, uid=uid)
