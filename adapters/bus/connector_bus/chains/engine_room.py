"""The protocol engine of one connection, without I/O: bytes in, events and bytes out (AMQP 1.0).

All that is known here of the library's life cycle: input is pushed in pieces of what it has room for, events are taken
off after each, output is peeked and popped, and at the end everything is let go of in the one order that leaves nothing
behind. Not safe for several threads: the chain's loop owns it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from connector_bus.chains.settings import ChainSettings
from connector_bus.store.amqp_content import load_proton


@final
class EngineRoom:
    """One engine.

    Args:
        container_id: Our name to the client.
        chain: What a client may: how large a frame it sends, how many sessions it has, how long it is silent.
        on_event: Told each event of the library, by its name, with its context.

    Attributes:
        connection: The library's connection.
    """

    def __init__(self, container_id: str, chain: ChainSettings, on_event: Callable[[str, Any], None]) -> None:
        proton = load_proton()
        self._collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container = container_id
        self._transport = proton.Transport(proton.Transport.SERVER)
        self._transport.idle_timeout = chain.idle_timeout
        self._transport.max_frame_size = chain.max_frame_size
        self._transport.channel_max = chain.max_sessions - 1
        self._transport.bind(self.connection)
        self._on_event = on_event
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what came, and tell what it means. Raises what the library raises for what is no text, as ValueError."""
        rest = memoryview(data)
        while len(rest):
            room = self._transport.capacity()
            if room <= 0:
                self.tell()
                if self._transport.capacity() <= 0:
                    return  # an error: what is left is of no interest
                continue
            piece = bytes(rest[:room])
            try:
                self._transport.push(piece)
            except Exception:  # noqa: BLE001 - the transport has noted what is wrong and says so itself
                return
            rest = rest[len(piece) :]
            self.tell()

    def tell(self) -> None:
        """Tell all events that there are."""
        while not self._ended:
            event = self._collector.peek()
            if event is None:
                return
            try:
                self._on_event(event.type.name, event)
            finally:
                if not self._ended:
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

    def backlog(self) -> int:
        """Bytes of messages that the client has not been sent, or has no window for."""
        total = 0
        session = None if self._ended else self.connection.session_head(0)
        while session is not None:
            total += session.outgoing_bytes
            session = session.next(0)
        return total

    def tick(self, now: float) -> float:
        """Let time go on; answers when to call again, in the same seconds, or 0 for never."""
        return 0.0 if self._ended else float(self._transport.tick(now))

    def end(self) -> None:
        """Let go of everything. Harmless when called twice."""
        if self._ended:
            return
        self._ended = True
        for step in (self._transport.close_tail, self._transport.close_head):
            try:
                step()
            except Exception:  # noqa: BLE001, S112 - it is over, whatever the library has against that
                continue
        self._transport.unbind()
        self._drain()
        self.connection.free()
        self._drain()

    def _drain(self) -> None:
        while self._collector.peek() is not None:
            self._collector.pop()
