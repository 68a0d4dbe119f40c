"""The protocol engine of one connection to a broker, without I/O: bytes in, events and bytes out (AMQP 1.0).

The library's own objects are good enough here: what limits a link to a broker is the broker and the disk. Not safe for
several threads: the connection's thread owns it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, final

from connector_bus.store.amqp_content import load_proton

#: The largest frame that is taken and sent, in bytes.
MAX_FRAME: Final = 65536
#: Sessions of one connection: each link has one of its own, since some brokers end a session for one link's fault.
MAX_SESSIONS: Final = 1024
#: Seconds after which a silent broker is taken for dead; what is sent meanwhile keeps ours alive.
IDLE_TIMEOUT: Final = 30.0


@final
class BrokerEngine:
    """One engine, on top of a finished sign-on.

    Args:
        container_id: Our name to the broker.
        host: What of the broker is meant.
        on_event: Told each event of the library, by its name. What it raises ends the connection.

    Attributes:
        connection: The library's connection.
    """

    def __init__(self, container_id: str, host: str, on_event: Callable[[str, Any], None]) -> None:
        proton = load_proton()
        self._on_event = on_event
        self._collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container, self.connection.hostname = container_id, host
        self._transport = proton.Transport()
        self._transport.idle_timeout = IDLE_TIMEOUT
        self._transport.max_frame_size = MAX_FRAME
        self._transport.channel_max = MAX_SESSIONS - 1
        self._transport.bind(self.connection)
        self.connection.open()
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what came, and tell what it means. Raises what the library raises for what is no text, as ValueError."""
        while data and not self._ended:
            room = self._transport.capacity()
            if room <= 0:
                return  # an error, which the transport tells by itself
            with contextlib.suppress(load_proton().TransportException):
                self._transport.push(data[:room])
            data = data[room:]
            self.tell()

    def tell(self) -> None:
        """Tell all events that there are."""
        while not self._ended and (event := self._collector.peek()) is not None:
            try:
                self._on_event(event.type.name, event)
            finally:
                self._collector.pop()

    def output(self) -> tuple[bytes, bool]:
        """What is to be written now, and whether the connection is over after it."""
        parts: list[bytes] = []
        while not self._ended:
            pending = self._transport.pending()
            if pending <= 0:
                return b"".join(parts), pending < 0
            parts.append(bytes(self._transport.peek(pending)))
            self._transport.pop(pending)
        return b"".join(parts), True

    def tick(self, now: float) -> float:
        """Let time go on; answers when to call again, in the same monotonic seconds, or 0 for never."""
        return 0.0 if self._ended else float(self._transport.tick(now))

    def trouble(self) -> str:
        """What the engine itself has found wrong; empty for nothing."""
        condition = None if self._ended else self._transport.condition
        return "" if condition is None else f"{condition.name}: {condition.description}"

    def end(self) -> None:
        """Let go of everything, in the one order that leaves nothing behind. Harmless when called twice."""
        if self._ended:
            return
        self._ended = True
        for step in (self._transport.close_tail, self._transport.close_head):
            with contextlib.suppress(Exception):  # it is over, whatever the library has against that
                step()
        self._transport.unbind()
        self._drain()
        self.connection.free()
        self._drain()

    def _drain(self) -> None:
        while self._collector.peek() is not None:
            self._collector.pop()
