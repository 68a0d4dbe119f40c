"""Who visits a port, and who is sent away when all its places are taken (CONF-6, CONF-7).

A visitor that has connected and said nothing costs a place and a thread. As long as there are places nobody minds; once
there are none, whoever has been silent for a second goes first: the one that came first from where most of the silent
ones come from. So many idle connections of one address make room for others, and never the other way round.
"""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final, Self, final

#: Seconds that a visitor may take to say what it wants, even where all places are taken.
GRACE: Final = 1.0


@final
class Visit:
    """One connection to a port, to be used in a `with` block, which closes it. Safe to use from any thread.

    Args:
        connection: The connection.
        address: Where it comes from.
        began: When it came, in seconds of a monotonic clock.

    Attributes:
        connection, began: As given.
        origin: The address without the port: what visitors of one machine have in common.
        is_silent: Whether its request has not come yet.

    Mutable state: `is_silent`, `_second`, changed under `_lock`.
    """

    def __init__(self, connection: socket.socket, address: Any, began: float) -> None:
        self.connection = connection
        self.origin = str(address[0]) if isinstance(address, tuple) else ""
        self.began = began
        self.is_silent = True
        self._lock = threading.Lock()
        # TLS takes the connection's own descriptor away, so there is a second one to shut it by.
        self._second: socket.socket | None = connection.dup()

    def heard(self) -> None:
        """Its request has come: it is not sent away any more."""
        with self._lock:
            self.is_silent = False

    def shed(self) -> None:
        """Send it away, unless it has just been heard: whoever reads from it finds the end. Does not block."""
        with self._lock:
            if self.is_silent and self._second is not None:
                self.is_silent = False
                with suppress(OSError):
                    self._second.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.connection.close()
        with self._lock:
            second, self._second = self._second, None
        if second is not None:
            second.close()


def whom_to_shed(visits: Iterable[Visit], now: float) -> tuple[Visit | None, float | None]:
    """Who is sent away for the sake of one more; or in how many seconds that may be asked again. Pure.

    Answers (None, None) where nobody is silent.
    """
    silent = [each for each in visits if each.is_silent]
    if not silent:
        return None, None
    from_there = Counter(each.origin for each in silent)
    first = min(silent, key=lambda each: (-from_there[each.origin], each.began))
    left = first.began + GRACE - now
    return (None, left) if left > 0 else (first, None)
