"""A relay between an adapter and its system that hands an answer on only after the event loop has gone round.

Whoever waits for the system by blocking the loop waits in vain here: nothing comes until the loop has had a turn. So it
can be told without measuring time whether a loop was blocked; only giving up on it takes time.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Self, final

_CHUNK = 65536


@final
class Relay:
    """Relays TCP connections over 127.0.0.1, on threads of its own; use it in a `with` block, on the loop.

    Args:
        loop: What must go round before any answer comes through.
        patience: After how many seconds without a turn the loop counts as blocked; then everything comes through.

    Attributes:
        turns: How many answers have come through after a turn of the loop.
        blocked: Whether the loop was found blocked.

    Mutable: threads and sockets, under the lock.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, patience: float) -> None:
        self._loop = loop
        self._patience = patience
        self.turns = 0
        self.blocked = False
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._waiting: set[threading.Event] = set()
        self._over = False

    def __call__(self, host: str, port: int) -> int:
        """Relay to there; answers the port on 127.0.0.1 to connect to."""
        listener = self._kept(socket.create_server(("127.0.0.1", 0)))
        self._begin(lambda: self._accept(listener, host, port))
        return int(listener.getsockname()[1])

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Break what is still open and end the threads."""
        while True:
            with self._lock:
                self._over = True
                for turned in self._waiting:  # this is the loop's thread: it would wait for itself
                    turned.set()
                sockets, self._sockets = self._sockets, []
                threads, self._threads = self._threads, []
            for each in sockets:
                _end(each)
            for thread in threads:
                thread.join()
            for each in sockets:
                each.close()
            if not threads:
                return

    def _accept(self, listener: socket.socket, host: str, port: int) -> None:
        with suppress(OSError):  # the listener has been closed
            while True:
                client = self._kept(listener.accept()[0])
                system = self._kept(socket.create_connection((host, port)))
                self._begin(partial(self._forward, client, system, answers=False))
                self._begin(partial(self._forward, system, client, answers=True))

    def _forward(self, source: socket.socket, target: socket.socket, *, answers: bool) -> None:
        with suppress(OSError):
            while data := source.recv(_CHUNK):
                if answers:
                    self._wait_for_a_turn()
                target.sendall(data)
        _end(source)
        _end(target)

    def _wait_for_a_turn(self) -> None:
        turned = threading.Event()
        with self._lock:
            if self.blocked or self._over:
                return
            self._waiting.add(turned)
        self._loop.call_soon_threadsafe(turned.set)
        has_turned = turned.wait(self._patience)
        with self._lock:
            self._waiting.discard(turned)
            if has_turned:
                self.turns += 1
            else:
                self.blocked = True

    def _kept(self, made: socket.socket) -> socket.socket:
        with self._lock:
            self._sockets.append(made)
        return made

    def _begin(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="connector-kit-relay", daemon=True)
        with self._lock:
            self._threads.append(thread)
        thread.start()


def _end(made: socket.socket) -> None:
    with suppress(OSError):
        made.shutdown(socket.SHUT_RDWR)
