"""One client's socket: first who it is, then AMQP; with limits for who doesn't say, and for who falls silent."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
import time
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any, Final, final

from connector.errors import ConnectorError
from connector.spi import ScramVerifier, Subject
from connector_bus.chains.admission import Admission, Direction
from connector_bus.chains.bus_side import HIGH_WATER, BusSide
from connector_bus.chains.crowd import Crowd
from connector_bus.chains.engine_room import EngineRoom
from connector_bus.chains.inbox import Inbox
from connector_bus.chains.link_client import LinkClient
from connector_bus.chains.peer import Peer
from connector_bus.chains.sasl import EXTERNAL, MAX_WAITING, SCRAM, Question, SaslServer, SaslState
from connector_bus.chains.sasl_frames import AMQP_HEADER, SaslOutcome
from connector_bus.chains.sole_connection import SoleConnections
from connector_bus.chains.throttle import Throttle
from connector_bus.links.network import LINK_HEADER

if TYPE_CHECKING:
    from connector_bus.adapter.bus import Bus

_LOG = logging.getLogger("connector_bus.chains")

#: Seconds that a client has for reading our last words, and for ending what was ended from our side.
LINGER: Final = 2.0
#: Seconds that a wrong password waits for its answer: somebody who guesses is slowed down, nobody else is.
REFUSAL_DELAY: Final = 1.0


@final
class ClientProtocol(asyncio.BufferedProtocol):
    """One connection of a chain. For the chain's loop only.

    Args:
        admission: Who gets in.
        container: Our name to the client.
        crowd: The clients of the chain, and what they may.
        throttle: Who guesses passwords.
        executor: Where what blocks is done.
        asking: Where the registry is asked: by few at a time, so that whoever guesses passwords hinders nothing else.
        names: Which clients are to be the only ones of their name.
        linking: Where links from other buses do what blocks, which may be long.
        gone: Told when the connection has ended.

    Mutable state: everything below; changed on the loop only.
    """

    def __init__(
        self,
        admission: Admission,
        container: str,
        *,
        crowd: Crowd,
        throttle: Throttle,
        executor: Executor,
        asking: Executor,
        linking: Executor,
        names: SoleConnections,
        gone: Callable[[ClientProtocol], None],
    ) -> None:
        self._admission = admission
        self._container = container
        self._chain = crowd.chain
        self._crowd = crowd
        self._throttle = throttle
        self._asking = asking
        self._linking = linking
        self._names = names
        self._link: LinkClient | None = None
        self._address: str | None = None
        self._user: str | None = None
        self._executor = executor
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox(self._loop, self._flush)
        self._transport: asyncio.Transport | None = None
        self._subject = Subject.unauthenticated()
        self._by_certificate = False
        self._sasl: SaslServer | None = None
        self._early = b""
        self._ended_early = False
        self._engine: EngineRoom | None = None
        self._peer: Peer | None = None
        self._bus_side: BusSide | None = None
        self._last_words: asyncio.TimerHandle | None = None
        self._paused = False
        self._ending = False
        self._timers: list[asyncio.TimerHandle] = []
        self._ticking: asyncio.TimerHandle | None = None
        self._was_open = False
        self._was_refused = False

    # --- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; under TLS, its handshake is done."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._crowd.come(address):
            _LOG.warning("chain %s has too many clients of %s and takes no more", self._chain.name, address)
            transport.close()
            return
        self._address = address
        secured = transport.get_extra_info("ssl_object")
        certificate = None if secured is None else secured.getpeercert(binary_form=True)
        external = self._chain.certificate_user(_common_name(secured), certificate)
        self._timers.append(self._loop.call_later(self._chain.login_timeout, self._too_late))
        # What is offered may be known only to a registry that is far away.

        def answered(asked: asyncio.Future[tuple[str, ...]]) -> None:
            if self._transport is not None and not self._ending and not asked.cancelled():
                self._offer(asked.result(), external)
                early, self._early = self._early, b""
                if early:
                    self.data_received(early)
                if self._ended_early:
                    transport.close()

        asking = self._loop.run_in_executor(self._asking, self._admission.mechanisms)
        asking.add_done_callback(answered)

    def _offer(self, mechanisms: tuple[str, ...], external: str | None) -> None:
        self._sasl = SaslServer(
            mechanisms,
            external=external,
            bare=self._admission.takes_nobody(),
            layers=(AMQP_HEADER, LINK_HEADER),
            max_frame=self._chain.max_sasl_frame_size,
        )

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to what comes next; taken out before anything else comes for any client."""
        return self._crowd.incoming

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        self.data_received(bytes(self._crowd.incoming[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self._ending:
            return
        if self._engine is not None:
            self._feed(data)
        elif self._link is not None:
            self._link.feed(data)
        elif self._sasl is not None:
            self._write(self._sasl.feed(data))
            self._go_on()
        elif self._transport is not None and len(self._early) <= MAX_WAITING:
            self._early += data  # more than this the exchange itself refuses, once it has begun

    def eof_received(self) -> bool:
        """The client has ended its side: so do we, once what it has said before the offer is answered."""
        transport = self._transport
        self._ended_early = (
            self._sasl is None
            and self._address is not None
            and transport is not None
            and transport.get_extra_info("ssl_object") is None  # TLS knows no half of a connection
        )
        return self._ended_early

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; what was out at the client goes back."""
        for timer in (*self._timers, *((self._ticking,) if self._ticking is not None else ())):
            timer.cancel()
        if self._last_words is not None:
            self._last_words.cancel()
        if self._peer is not None:
            self._peer.end()
        if self._link is not None:
            self._link.end()
        if self._engine is not None:
            self._engine.end()
        self._transport = None
        if self._user is not None:
            self._crowd.sign_off(self._user)
        if self._address is not None:
            self._crowd.go(self._address)
        self._gone(self)

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way, in or out."""
        if self._link is not None and self._link.is_busy:
            return False
        return self._transport is None or self._peer is None or not self._peer.in_flight

    def drain(self) -> None:
        """The server stops: begin nothing new, so that what is under way can end."""
        if self._link is not None:
            self._link.stop()
        if self._peer is not None:
            self._peer.stop()
            self._flush()

    def pause_writing(self) -> None:
        """The client doesn't read: nothing more is written, and with its window full nothing more is taken for it."""
        self._paused = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._paused = False
        self._flush()

    def close(self, reason: str) -> None:
        """End it from our side, saying why where the client can hear it."""
        if self._transport is None:
            return
        if self._engine is not None:
            from connector_bus.chains.conditions import FORCED
            from connector_bus.store.amqp_content import load_proton

            with contextlib.suppress(Exception):
                self._engine.connection.condition = load_proton().Condition(FORCED, reason)
                self._engine.connection.close()
                self._flush()
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """End it at once, whatever there is to be written or read."""
        if self._transport is not None:
            self._transport.abort()

    # --- signing on ---------------------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        sasl = self._sasl
        assert sasl is not None
        if sasl.state is SaslState.FAILED:
            self._refused("protocol")
            _LOG.info("a client did not get in: %s", sasl.reason)
            self._end_writing()
        elif sasl.state is SaslState.ASKING and sasl.question is not None:
            self._ask(sasl.question)
        elif sasl.state is SaslState.DONE and sasl.rest.startswith(LINK_HEADER):
            self._begin_link(sasl.rest[len(LINK_HEADER) :])
        elif sasl.state is SaslState.DONE:
            self._begin(sasl.rest)

    def _ask(self, question: Question) -> None:
        user = question.user or ""
        first = question.mechanism == SCRAM and question.proved is None
        if question.password is None and not first:
            self._look_up(question)
            return
        # Before anything is hashed: what costs time is what is held back.
        wait = self._throttle.wait(self._address or "", user, self._loop.time())
        look_up = self._look_up_verifier if first else self._look_up
        if wait > 0:
            self._timers.append(self._loop.call_later(wait, look_up, question))
        else:
            look_up(question)

    def _look_up_verifier(self, question: Question) -> None:
        """With SCRAM: what the client's proof is to be checked by."""

        def answered(asked: asyncio.Future[ScramVerifier | None]) -> None:
            if self._transport is None or self._sasl is None or asked.cancelled():
                return
            verifier = asked.result()
            if verifier is None:
                self._refused("sign-on")
                self._answer(SaslOutcome.SYSTEM_ERROR_TEMPORARY, "nobody can tell now who it is")
                return
            self._write(self._sasl.challenge(verifier))
            self._go_on()

        asking = self._loop.run_in_executor(self._asking, self._admission.verifier, question.user or "")
        asking.add_done_callback(answered)

    def _look_up(self, question: Question) -> None:
        address, user = self._address or "", question.user or ""

        def answered(asked: asyncio.Future[tuple[Subject, SaslOutcome, str]]) -> None:
            if self._transport is None or asked.cancelled():
                return
            self._subject, outcome, reason = asked.result()
            self._by_certificate = outcome is SaslOutcome.OK and question.mechanism == EXTERNAL
            if outcome is SaslOutcome.OK:
                if question.password is not None or question.proved:
                    self._throttle.succeeded(address, user)
                self._answer(outcome, reason)
            else:
                self._refused("sign-on")
                if outcome is SaslOutcome.AUTHENTICATION_FAILED:
                    self._throttle.failed(address, user, self._loop.time())
                self._timers.append(self._loop.call_later(REFUSAL_DELAY, self._answer, outcome, reason))

        asking = self._loop.run_in_executor(self._asking, self._admission.authenticate, question)
        asking.add_done_callback(answered)

    def _answer(self, outcome: SaslOutcome, reason: str) -> None:
        if self._sasl is not None and self._transport is not None:
            self._write(self._sasl.answer(outcome, reason))
            self._go_on()

    def _begin(self, rest: bytes) -> None:
        self._peer = peer = Peer(self._subject, self._admit, self._side, self._names)
        self._engine = engine = EngineRoom(self._container, self._chain, peer)
        peer.begin(engine.connection)
        self._feed(rest)

    def _begin_link(self, rest: bytes) -> None:
        assert self._transport is not None, "somebody has just sent something"
        self._link = LinkClient(
            self._transport,
            self._subject,
            self._admission,
            self._crowd,
            self._linking,
            by_certificate=self._by_certificate,
        )
        if rest:
            self._link.feed(rest)

    def _admit(
        self, hostname: str | None, subject: Subject, target: str | None, take_name: Callable[[Bus], None]
    ) -> Bus | Direction:
        assert self._transport is not None
        reached = str((self._transport.get_extra_info("sockname") or ("",))[0])
        try:
            bus = self._admission.admit(hostname, subject, target, reached)
        except ConnectorError:
            self._refused("access")
            raise
        if isinstance(bus, Direction):
            self._crowd.sent_on += 1
            return bus
        try:
            take_name(bus)
        except ConnectorError:
            self._refused("client-id")
            raise
        caller = subject.caller
        user = caller.name if subject.is_authenticated and caller is not None else ""
        self._crowd.sign_on(user)
        self._user = user
        return bus

    def _side(self, bus: Bus, subject: Subject) -> BusSide:
        self._bus_side = BusSide(bus, subject, self._inbox, self._executor, self._chain, self._crowd.memory)
        return self._bus_side

    def _refused(self, why: str) -> None:
        """It is not let in; the first reason counts."""
        if not self._was_refused:
            self._was_refused = True
            self._crowd.refused[why] += 1

    def _too_late(self) -> None:
        if self._link is not None and self._link.is_open:
            return
        if self._peer is None or not (self._peer.is_open or self._peer.closing):
            self._refused("time")
            self.close("No connection was opened in time.")

    # --- AMQP ---------------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        engine = self._engine
        assert engine is not None
        try:
            engine.feed(data)
        except ValueError as error:  # a name that is no text: the library reads it when it is asked for
            _LOG.warning("a client's frame could not be read: %s", type(error).__name__)
            self.close("A name in it is no text (amqp:decode-error).")
            return
        self._flush()

    def _flush(self) -> None:
        engine = self._engine
        if engine is None or self._transport is None or self._ending:
            return
        if self._peer is not None and self._peer.closing:
            self._linger()
        if self._paused:
            return
        data, over = engine.output()
        self._write(data)
        if over:
            self._end_writing()
            return
        if self._ticking is None or self._was_open != (self._peer is not None and self._peer.is_open):
            self._tick()  # what the client wants of idleness is known once it is open
        self._count()

    def _count(self) -> None:
        """What waits for the client is counted anew where that matters; with room again it goes on."""
        side, engine, peer = self._bus_side, self._engine, self._peer
        if side is None or engine is None or peer is None or self._transport is None:
            return
        congested = side.congested
        if side.outgoing > HIGH_WATER // 2:
            side.outgoing = engine.backlog() + self._transport.get_write_buffer_size()
        if congested and not side.congested:
            side.call_soon(peer.resume)

    def _tick(self) -> None:
        engine, peer = self._engine, self._peer
        if engine is None or peer is None:
            return
        self._was_open = peer.is_open
        now = time.monotonic()
        due = engine.tick(now)
        if self._ticking is not None:
            self._ticking.cancel()
        self._ticking = self._loop.call_later(max(0.01, due - now), self._on_time) if due else None

    def _on_time(self) -> None:
        self._ticking = None
        if self._engine is not None and not self._ending:
            self._tick()
            self._engine.tell()
            self._flush()

    def _write(self, data: bytes) -> None:
        if data and self._transport is not None:
            self._transport.write(data)

    def _end_writing(self) -> None:
        """Say no more. What the client still writes is taken and dropped: closed at once, a socket with something
        unread is reset, and the client never reads why it was refused.
        """
        transport = self._transport
        if transport is None or self._ending:
            return
        self._ending = True
        if self._peer is not None:
            self._peer.end()
        if transport.can_write_eof():
            transport.write_eof()
            self._linger()
        else:
            transport.close()

    def _linger(self) -> None:
        """Close in a while, whatever the client does."""
        if self._last_words is None and self._transport is not None:
            self._last_words = self._loop.call_later(LINGER, self._transport.close)


def _common_name(secured: ssl.SSLObject | None) -> str | None:
    """Whom a client's certificate names; None without one that was verified."""
    certificate: dict[str, Any] = (secured.getpeercert() if secured is not None else None) or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if names else None
