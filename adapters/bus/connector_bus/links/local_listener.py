"""Listens for links of other containers on this machine (BUS-9)."""

from __future__ import annotations

import logging
import socket
import stat
import threading
from contextlib import suppress
from pathlib import Path
from typing import final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_bus.links.contract import LinkEntrance, LinkSession
from connector_bus.links.conversation import answer_to, login_from_head, refusal_to_head
from connector_bus.links.framing import read_frame, write_frame
from connector_bus.links.local import LOGIN_TIMEOUT, require_trusted

CANNOT_LISTEN = Reason(
    "CF-BUS-214",
    "bus {bus} can't listen for links on {path}: {cause}",
    "Give a path that is free, shorter than 100 bytes, in a folder that only the container's user can write.",
)
#: Bytes of bodies before the login; and how many engines may be connected at once.
_LOGIN_BODY, _MOST = 0, 64

#: Seconds until the next try where no connection can be accepted, for want of file descriptors say.
_BACK_OFF = 0.5

_LOG = logging.getLogger("connector_bus.links")


@final
class LocalListener:
    """A socket of mode 0600, a thread that accepts, and one for each engine that is connected.

    Args:
        bus: The bus.
        path: The socket.
        entrance: Where sessions are opened.

    Safe to use from any thread. Mutable state: `_connections` and `_closed`, under `_lock`.
    """

    def __init__(self, bus: str, path: Path, entrance: LinkEntrance) -> None:
        self._bus = bus
        self._path = path
        self._entrance = entrance
        self._lock = threading.Lock()
        self._closed = False
        self._ended = threading.Event()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._thread = threading.Thread(target=self._accept, name=f"bus-links-{bus}", daemon=True)

    def start(self) -> None:
        """Listen. Raises MessagingError CF-BUS-214."""
        try:
            _remove_stale(self._path)
            self._socket.bind(str(self._path))
            # Between bind and listen nobody can connect, so the mode is right before the first one could.
            self._path.chmod(0o600)
            self._socket.listen(_MOST)
        except OSError as error:
            self._socket.close()
            cause = error.strerror or str(error)
            raise MessagingError(CANNOT_LISTEN, bus=self._bus, path=str(self._path), cause=cause) from None
        self._thread.start()

    def stop(self) -> None:
        """End all sessions; blocks until their threads have ended. Harmless when called twice, or never started."""
        with self._lock:
            self._closed = True
            self._ended.set()
            connections = dict(self._connections)
        _shut(self._socket)
        for connection in connections:
            _shut(connection)
        if self._thread.ident is not None:
            self._thread.join()
            with suppress(OSError):
                self._path.unlink()
        for thread in connections.values():
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError as error:
                if self._closed:
                    return
                _LOG.warning("bus %s: a link could not be accepted: %s", self._bus, error.strerror)
                self._ended.wait(_BACK_OFF)
                continue
            with self._lock:
                if self._closed or len(self._connections) >= _MOST:
                    connection.close()
                    continue
                thread = threading.Thread(
                    target=self._serve, args=(connection,), name=f"bus-link-{self._bus}", daemon=True
                )
                self._connections[connection] = thread
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        session: LinkSession | None = None
        try:
            connection.settimeout(LOGIN_TIMEOUT)
            require_trusted(connection)
            head, _ = read_frame(connection, body_limit=_LOGIN_BODY)
            session = self._entrance.open(login_from_head(head)[0])
            connection.settimeout(None)  # it may be quiet for as long as nobody sends
            write_frame(connection, {"welcome": True})
            while True:
                head, bodies = read_frame(connection)
                write_frame(connection, answer_to(session, head, bodies))
        except ConnectorError as error:
            _LOG.info("bus %s: a session of a link ends: %s", self._bus, error)
            with suppress(ConnectorError):
                write_frame(connection, refusal_to_head(error))
        except Exception as error:  # noqa: BLE001 - whatever one engine sends, the others go on
            _LOG.error("bus %s: a session of a link failed: %s", self._bus, type(error).__name__)
        finally:
            if session is not None:
                session.close()
            connection.close()
            with self._lock:
                self._connections.pop(connection, None)


def _remove_stale(path: Path) -> None:
    """Remove a socket that a killed process left; anything else that is there stays, and hinders."""
    if not path.exists() or not stat.S_ISSOCK(path.stat().st_mode):
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()
