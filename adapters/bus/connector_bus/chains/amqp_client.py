"""A client of a bus, once it is known who it is: what it says goes to the engine, what that says goes to the client."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, final

from connector.errors import ConnectorError
from connector.spi import Subject
from connector_bus.chains.admission import Direction
from connector_bus.chains.bus_side import HIGH_WATER, BusSide
from connector_bus.chains.chain_service import ChainService
from connector_bus.chains.conditions import FORCED
from connector_bus.chains.engine_room import EngineRoom
from connector_bus.chains.inbox import Inbox
from connector_bus.chains.outlet import Outlet
from connector_bus.chains.peer import Peer
from connector_bus.store.amqp_content import load_proton

if TYPE_CHECKING:
    from connector_bus.adapter.bus import Bus

_LOG = logging.getLogger("connector_bus.chains")


@final
class AmqpClient:
    """One client's AMQP. A `Stage`; for the chain's loop only.

    Args:
        service: What serves the clients of the chain.
        outlet: Where we write.
        subject: Who has signed on.
        refused: Told why it is not let in.

    Attributes:
        peer: The client in AMQP's terms.
        side: Its way to its bus; None before it is let onto one.

    Mutable state: `side` and `_user`, set when it is let in; `_ticking`, when time goes on for the engine, and
    `_was_open`, whether the client was open when that was decided.
    """

    __slots__ = (
        "_engine", "_loop", "_outlet", "_refused", "_service", "_ticking", "_user", "_was_open", "peer", "side",
    )  # fmt: skip

    def __init__(self, service: ChainService, outlet: Outlet, subject: Subject, refused: Callable[[str], None]) -> None:
        self._service = service
        self._outlet = outlet
        self._refused = refused
        self._loop = asyncio.get_running_loop()
        self._user: str | None = None
        self._ticking: asyncio.TimerHandle | None = None
        self._was_open = False
        self.side: BusSide | None = None
        self.peer = Peer(subject, self._admit, self._make_side, service.names)
        self._engine = EngineRoom(service.container, service.chain, self.peer)
        self.peer.begin(self._engine.connection)
        outlet.on_room = self.flush

    @property
    def is_open(self) -> bool:
        """Whether it has been let onto a bus, or told why not."""
        return self.peer.is_open or self.peer.closing

    @property
    def is_busy(self) -> bool:
        """Whether messages are on their way, in or out."""
        return bool(self.peer.in_flight)

    def feed(self, data: bytes) -> None:
        """Something came."""
        try:
            self._engine.feed(data)
        except ValueError as error:  # a name that is no text: the library reads it when it is asked for
            _LOG.warning("a client's frame could not be read: %s", type(error).__name__)
            self.say_goodbye("A name in it is no text (amqp:decode-error).")
            self._outlet.close()
            return
        self.flush()

    def flush(self) -> None:
        """Write what the engine has to say, unless the client doesn't read: then with its window full nothing more is
        taken for it.
        """
        outlet, peer = self._outlet, self.peer
        transport = outlet.transport
        if transport is None or outlet.ended:
            return
        if peer.closing:
            outlet.linger()
        if outlet.paused:
            return
        data, over = self._engine.output()
        if data:
            transport.write(data)
        if over:
            if outlet.end():
                peer.end()
            return
        if self._ticking is None or self._was_open != peer.is_open:
            self._tick()  # what the client wants of idleness is known once it is open
        side = self.side
        if side is not None:
            # What waits for the client is counted anew where that matters; with room again it goes on.
            congested = side.congested
            if side.outgoing > HIGH_WATER // 2:
                side.outgoing = self._engine.backlog() + transport.get_write_buffer_size()
            if congested and not side.congested:
                side.call_soon(peer.resume)

    def stop(self) -> None:
        """The server stops: begin nothing new, so that what is under way can end."""
        self.peer.stop()
        self.flush()

    def say_goodbye(self, reason: str) -> None:
        """Tell the client why it is ended from our side."""
        with contextlib.suppress(Exception):
            self._engine.connection.condition = load_proton().Condition(FORCED, reason)
            self._engine.connection.close()
            self.flush()

    def end(self) -> None:
        """The connection is gone: what was out at the client goes back."""
        if self._ticking is not None:
            self._ticking.cancel()
        self.peer.end()
        self._engine.end()
        user, self._user = self._user, None
        if user is not None:
            self._service.crowd.sign_off(user)

    # --- time ---------------------------------------------------------------------------------------------------------

    def _tick(self) -> None:
        self._was_open = self.peer.is_open
        now = time.monotonic()
        due = self._engine.tick(now)
        if self._ticking is not None:
            self._ticking.cancel()
        self._ticking = self._loop.call_later(max(0.01, due - now), self._on_time) if due else None

    def _on_time(self) -> None:
        self._ticking = None
        if not self._outlet.ended:
            self._tick()
            self._engine.tell()
            self.flush()

    # --- getting onto a bus -------------------------------------------------------------------------------------------

    def _admit(
        self, hostname: str | None, subject: Subject, target: str | None, take_name: Callable[[Bus], None]
    ) -> Bus | Direction:
        crowd, transport = self._service.crowd, self._outlet.transport
        assert transport is not None, "somebody has just sent something"
        reached = str((transport.get_extra_info("sockname") or ("",))[0])
        try:
            bus = self._service.admission.admit(hostname, subject, target, reached)
        except ConnectorError:
            self._refused("access")
            raise
        if isinstance(bus, Direction):
            crowd.sent_on += 1
            return bus
        try:
            take_name(bus)
        except ConnectorError:
            self._refused("client-id")
            raise
        caller = subject.caller
        user = caller.name if subject.is_authenticated and caller is not None else ""
        crowd.sign_on(user)
        self._user = user
        return bus

    def _make_side(self, bus: Bus, subject: Subject) -> BusSide:
        service = self._service
        inbox = Inbox(self._loop, self.flush)
        self.side = BusSide(bus, subject, inbox, service.executor, service.chain, service.crowd.memory)
        return self.side
