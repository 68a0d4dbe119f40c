"""Carrying bytes between python-ldap and a TLS connection (see `transport`)."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from typing import Final, final

_PIECE: Final = 65536


def relayed(secure: ssl.SSLSocket, timeout: float) -> socket.socket:
    """The plain end of a TLS connection; closing it closes the connection. Starts a thread that ends with either side.

    Args:
        secure: The connection, its handshake done.
        timeout: Seconds that either side may keep the other one's bytes waiting.
    """
    plain, ours = socket.socketpair()
    threading.Thread(target=_Relay(ours, secure, timeout).run, name="connector-ldap-tls", daemon=True).start()
    return plain


@final
class _Relay:
    """One connection's bytes in both directions, on its own thread."""

    def __init__(self, ours: socket.socket, secure: ssl.SSLSocket, timeout: float) -> None:
        self._ours = ours
        self._secure = secure
        self._timeout = timeout

    def run(self) -> None:
        """Until either side ends or fails: then both are closed, and python-ldap tells its user."""
        # A TLS record may hold no bytes for us (a session ticket): reading must never wait while the other side talks.
        self._secure.settimeout(0)
        self._ours.settimeout(self._timeout)
        waiting = select.poll()
        for side in (self._ours, self._secure):
            waiting.register(side, select.POLLIN)
        with self._ours, self._secure:
            try:
                while self._carry({number for number, _ in waiting.poll()}):
                    continue
            except OSError:
                return

    def _carry(self, ready: set[int]) -> bool:
        """What has come; False where a side has ended."""
        if self._ours.fileno() in ready:
            asked = self._ours.recv(_PIECE)
            if not asked:
                return False
            self._send(asked)
        if self._secure.fileno() in ready:
            return self._receive()
        return True

    def _receive(self) -> bool:
        while True:
            try:
                answered = self._secure.recv(_PIECE)
            except ssl.SSLWantReadError:
                return True
            if not answered:
                return False
            self._ours.sendall(answered)

    def _send(self, asked: bytes) -> None:
        left = memoryview(asked)
        while left:
            try:
                left = left[self._secure.send(left) :]
            except ssl.SSLWantWriteError:
                self._wait(select.POLLOUT)
            except ssl.SSLWantReadError:
                self._wait(select.POLLIN)

    def _wait(self, event: int) -> None:
        ready = select.poll()
        ready.register(self._secure, event)
        if not ready.poll(self._timeout * 1000):
            raise TimeoutError
