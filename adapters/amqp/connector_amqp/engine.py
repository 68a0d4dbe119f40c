"""The protocol engine of one connection, without I/O: bytes in, events and bytes out (AMQP 1.0).

All that is known here of the library's life cycle. Not safe for several threads: the adapter's loop owns it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, final

from connector_amqp.library import load_proton

#: The largest frame that is taken and sent, in bytes.
MAX_FRAME: Final = 65536
#: Sessions of one connection: each link has one of its own, since some brokers end a session for one link's fault.
MAX_SESSIONS: Final = 255
#: The property of open that names the chain over which we want an engine of ours.
TARGET_CHAIN: Final = "connector:target-chain"


@final
class ClientEngine:
    """One engine, on top of a finished sign-on.

    Args:
        container_id: Our name to the broker.
        virtual_host: What of the broker is meant, or None.
        idle_timeout: Seconds after which a silent broker is taken for dead.
        on_event: Told each event of the library, by its name.
        target_chain: The chain over which we want an engine of ours; None to say nothing of it.

    Attributes:
        connection: The library's connection.
    """

    def __init__(
        self,
        container_id: str,
        virtual_host: str | None,
        idle_timeout: float,
        on_event: Callable[[str, Any], None],
        target_chain: str | None = None,
    ) -> None:
        proton = load_proton()
        self._collector = proton.Collector()
        self.connection = proton.Connection()
        self.connection.collect(self._collector)
        self.connection.container = container_id
        if virtual_host is not None:
            self.connection.hostname = virtual_host
        told = {"product": "connector-framework client"}
        if target_chain is not None:
            told[TARGET_CHAIN] = target_chain
        self.connection.properties = proton.PropertyDict(told)
        self._transport = proton.Transport()
        self._transport.idle_timeout = idle_timeout
        self._transport.max_frame_size = MAX_FRAME
        self._transport.channel_max = MAX_SESSIONS
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

    def tick(self, now: float) -> float:
        """Let time go on; answers when to call again, in the same seconds, or 0 for never."""
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
