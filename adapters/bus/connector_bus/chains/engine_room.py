"""The protocol engine of one connection, without I/O: bytes in, events and bytes out (AMQP 1.0).

All that is known here of the library's life cycle: input is pushed in pieces of what it has room for, events are taken
off after each, output is peeked and popped, and at the end everything is let go of in the one order that leaves nothing
behind. Not safe for several threads: the chain's loop owns it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, final

from connector_bus.chains.lean import BUFFER, load_lean
from connector_bus.chains.settings import ChainSettings
from connector_bus.store.amqp_content import load_proton


class Listener(Protocol):
    """Who is told what happens."""

    def on_event(self, name: str, event: Any) -> None:
        """Something that happens now and then, as the library's event, by its name."""

    @property
    def takers(self) -> Mapping[Any, Callable[[Any], None]]:
        """By link, who is told that something came of a delivery; both are the library's pointers. Always the same."""
        ...

    def on_flow(self, link: Any) -> None:
        """Credit has changed on a link, which is the library's pointer."""


@final
class EngineRoom:
    """One engine.

    Args:
        container_id: Our name to the client.
        chain: What a client may: how large a frame it sends, how many sessions it has, how long it is silent.
        listener: Told what happens.

    Attributes:
        connection: The library's connection.
    """

    def __init__(self, container_id: str, chain: ChainSettings, listener: Listener) -> None:
        proton, lean = load_proton(), load_lean()
        self._lean, self._lib = lean, lean.lib
        self._wrap = proton.Event.wrap
        self._delivery, self._flow, self._silent = lean.lib.PN_DELIVERY, lean.lib.PN_LINK_FLOW, lean.lib.PN_TRANSPORT
        self._collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container = container_id
        self._transport = proton.Transport(proton.Transport.SERVER)
        self._transport.idle_timeout = chain.idle_timeout
        self._transport.max_frame_size = chain.max_frame_size
        self._transport.channel_max = chain.max_sessions - 1
        self._transport.bind(self.connection)
        self._listener = listener
        self._impl, self._events = self._transport._impl, self._collector._impl
        self._ended = False

    def feed(self, data: bytes) -> None:
        """Take what came, and tell what it means. Raises what the library raises for what is no text, as ValueError."""
        lib, source = self._lib, self._lean.ffi.from_buffer(data)
        place, size = 0, len(data)
        while place < size and not self._ended:
            room = lib.pn_transport_capacity(self._impl)
            if room <= 0:
                self.tell()
                if lib.pn_transport_capacity(self._impl) <= 0:
                    return  # an error: what is left is of no interest
                continue
            taken = lib.pn_transport_push(self._impl, source + place, min(room, size - place))
            if taken < 0:
                return  # the transport has noted what is wrong and says so itself
            place += taken
            self.tell()

    def tell(self) -> None:
        """Tell all events that there are."""
        lib, events, listener = self._lib, self._events, self._listener
        peek, pop, type_of, silent = lib.pn_collector_peek, lib.pn_collector_pop, lib.pn_event_type, self._silent
        delivery_of, link_of, is_delivery = lib.pn_event_delivery, lib.pn_delivery_link, self._delivery
        takers = listener.takers
        while not self._ended:
            event = peek(events)
            if not event:
                return
            kind = type_of(event)
            try:
                if kind == is_delivery:
                    delivery = delivery_of(event)
                    take = takers.get(link_of(delivery))
                    if take is not None:
                        take(delivery)
                elif kind == self._flow:
                    listener.on_flow(lib.pn_event_link(event))
                elif kind != silent:
                    wrapped = self._wrap(event)
                    listener.on_event(wrapped.type.name, wrapped)
            finally:
                if not self._ended:
                    pop(events)

    def output(self) -> tuple[bytes, bool]:
        """What is to be written now, and whether the connection is over after it."""
        lib, lean, transport = self._lib, self._lean, self._impl
        parts: list[bytes] = []
        while not self._ended:
            pending = lib.pn_transport_pending(transport)
            if pending <= 0:
                return parts[0] if len(parts) == 1 else b"".join(parts), pending < 0
            size = lib.pn_transport_peek(transport, lean.buffer, min(pending, BUFFER))
            parts.append(bytes(lean.view[:size]))
            lib.pn_transport_pop(transport, size)
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
