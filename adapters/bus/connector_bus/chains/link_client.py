"""The engine of another bus at a chain: not a client, but the sending end of a link (BUS-9, BUS-14).

It has signed on in the SASL layer as everybody does, and goes on with frames of links instead of AMQP's. What it may is
decided by the receiving end of the links; here is what a stranger could do to this server on the way: nothing is
believed to be as long as it says, nothing is read while something is being done, and whoever stops in the middle of
a frame is cut off.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, Final, final

from connector.errors import AccessDenied, AuthenticationFailed, ConnectorError, LoginRefused, MessagingError, Reason
from connector.spi import UNAUTHENTICATED, AuditEvent, Outcome, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.chains.admission import Admission
from connector_bus.chains.crowd import Crowd
from connector_bus.links.conversation import answer_to, login_from_head, refusal_to_head
from connector_bus.links.framing import BODY_LIMIT, HEAD_LIMIT, FrameBuffer, encode_frame
from connector_bus.links.network import LINK_HEADER, keep_alive
from connector_bus.links.peer import NetworkPeer
from connector_bus.links.receiver_session import ReceiverSession

OTHER_CHAIN = Reason(
    "CF-BUS-443",
    "the link from bus {peer} is for chain {wanted}, and has come to chain {chain} of bus {bus}",
    "Correct chain or endpoints of the link on bus {peer}.",
)
NO_ROOM = Reason(
    "CF-BUS-457",
    "chain {chain} has no memory left for what links and clients bring in",
    "It goes on by itself; raise `max_memory` of the chain for larger messages.",
)

#: Bytes that the head of a login may have.
_LOGIN_HEAD: Final = 4096
#: Seconds that a frame may take to come in.
FRAME_TIMEOUT: Final = 300.0
#: Seconds that the other side has for reading our last words.
LINGER: Final = 2.0
#: The codes of the registry that say that there is no such user.
_GONE: Final = frozenset({"CF-SEC-010", "CF-SEC-011"})

_LOG = logging.getLogger("connector_bus.links")


@dataclass(frozen=True, slots=True)
class _Opened:
    """What a login has come to."""

    bus: Bus
    session: ReceiverSession


@final
class LinkClient:
    """One engine of another bus. A `Stage`; for the chain's loop only.

    What blocks is done in the executor, one thing at a time.

    Args:
        transport: The connection.
        subject: Who has signed on.
        admission: Which bus it may reach over the chain.
        crowd: The chain's clients, and their memory.
        executor: Where what blocks is done.
        by_certificate: Whether a certificate has said who has signed on, and no password.

    Attributes:
        is_open: Whether it was let in.
        is_busy: Whether something that it has asked for is being done.

    Mutable state: the attributes, `_opened`, `_held` (the memory that is taken), `_stopping`, `_ended`, the timer.
    """

    def __init__(
        self,
        transport: asyncio.Transport,
        subject: Subject,
        admission: Admission,
        crowd: Crowd,
        executor: Executor,
        *,
        by_certificate: bool = False,
    ) -> None:
        self._transport = transport
        self._subject = subject
        self._by_certificate = by_certificate
        self._admission = admission
        self._crowd = crowd
        self._executor = executor
        self._loop = asyncio.get_running_loop()
        self._frames = FrameBuffer(head_limit=_LOGIN_HEAD, body_limit=0)
        self._opened: _Opened | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self._held = 0
        self._timer: asyncio.TimerHandle | None = None
        self._stopping = self._ended = False
        self._signed_on: str | None = None
        self.is_busy = False
        self.is_open = False
        keep_alive(transport.get_extra_info("socket"))
        transport.write(LINK_HEADER)

    def feed(self, data: bytes) -> None:
        """Something came."""
        if self._ended:
            return
        if not self._crowd.memory.take(len(data)):
            self._refuse(MessagingError(NO_ROOM, chain=self._crowd.chain.name))
            return
        self._held += len(data)
        self._frames.feed(data)
        self._go_on()

    def stop(self) -> None:
        """The server stops: nothing new is begun."""
        self._stopping = True

    def say_goodbye(self, reason: str) -> None:
        """Nothing: links end without a word, and whoever began one begins it again."""

    def end(self) -> None:
        """The connection is gone. Harmless when called twice."""
        if self._ended:
            return
        self._ended = True
        self._unsubscribe()
        self._give_back(self._held)
        if self._timer is not None:
            self._timer.cancel()
        if self._opened is not None:
            self._opened.session.close()
        if self._signed_on is not None:
            self._crowd.sign_off(self._signed_on)

    # --- one frame after the other ------------------------------------------------------------------------------------

    def _go_on(self) -> None:
        if self.is_busy or self._stopping:
            self._transport.pause_reading()
            return
        try:
            frame = self._frames.next()
        except ConnectorError as error:
            self._refuse(error)
            return
        if frame is None:
            self._await_rest()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        head, bodies, size = frame
        self.is_busy = True
        # What it sends meanwhile waits in its own system: it is to ask for one thing at a time.
        self._transport.pause_reading()
        doing = self._loop.run_in_executor(self._executor, self._do, head, bodies)
        doing.add_done_callback(lambda done: self._done(done, size))

    def _await_rest(self) -> None:
        if len(self._frames) and self._timer is None:
            self._timer = self._loop.call_later(FRAME_TIMEOUT, self._transport.abort)
        self._transport.resume_reading()

    def _do(self, head: Mapping[str, Any], bodies: bytes) -> _Opened | dict[str, Any]:
        """In the executor: a login, or what a session is asked for."""
        opened = self._opened
        return self._open(head) if opened is None else answer_to(opened.session, head, bodies)

    def _done(self, done: asyncio.Future[_Opened | dict[str, Any]], size: int) -> None:
        self.is_busy = False
        self._give_back(min(size, self._held))
        error = None if done.cancelled() else done.exception()
        if self._ended:
            if not done.cancelled() and error is None and isinstance(done.result(), _Opened):
                done.result().session.close()  # type: ignore[union-attr]
            return
        if done.cancelled() or error is not None:
            self._refuse(error)
            return
        result = done.result()
        if isinstance(result, _Opened):
            try:
                self._let_in(result)
            except ConnectorError as refusal:
                result.session.close()
                self._refuse(refusal)
                return
            result = {"welcome": True}
        self._transport.write(encode_frame(result))
        self._go_on()

    # --- the login ----------------------------------------------------------------------------------------------------

    def _open(self, head: Mapping[str, Any]) -> _Opened:
        """Blocks. Raises ConnectorError; writes the audit line."""
        login, chain = login_from_head(head)
        bus = self._admission.bus_for_link(login.to)
        user = self._user
        place = f"{bus.name}, link from {login.bus}"
        try:
            if chain != self._crowd.chain.name or self._crowd.chain.redirect_to:
                told = {"wanted": chain or "none", "chain": self._crowd.chain.name}
                raise LoginRefused(OTHER_CHAIN, peer=login.bus, bus=bus.name, **told)
            peer = NetworkPeer(user, self._crowd.chain.is_secure, self._by_certificate)
            session = bus.links.receiver.open_from_network(login, peer)
        except ConnectorError as error:
            self._audit(bus, place, Outcome.DENIED, error.code)
            raise
        self._audit(bus, place, Outcome.SUCCESS, "link")
        return _Opened(bus, session)

    def _let_in(self, opened: _Opened) -> None:
        user = self._user or ""
        self._crowd.sign_on(user)
        self._signed_on = user
        self._opened, self.is_open = opened, True
        self._frames.head_limit = HEAD_LIMIT
        self._frames.body_limit = min(BODY_LIMIT, self._crowd.memory.limit)
        opened.session.on_end = lambda: self._soon(self._cut)
        self._unsubscribe = opened.bus.access.subscribe(lambda: self._soon(self._recheck))

    @property
    def _user(self) -> str | None:
        caller = self._subject.caller
        return caller.name if self._subject.is_authenticated and caller is not None else None

    def _audit(self, bus: Bus, place: str, outcome: Outcome, reason: str) -> None:
        user = str(self._subject.caller or UNAUTHENTICATED)
        bus.context.audit.record(AuditEvent("bus.link", user, place, outcome, reason))

    # --- its end ------------------------------------------------------------------------------------------------------

    def _recheck(self) -> None:
        """Rights or users have changed: is its user still there?"""
        opened, user = self._opened, self._user
        if self._ended or opened is None or user is None or not opened.bus.access.active:
            return
        asking = self._loop.run_in_executor(self._executor, opened.bus.context.identity.assert_user, user)

        def answered(asked: asyncio.Future[Subject]) -> None:
            error = None if asked.cancelled() else asked.exception()
            if isinstance(error, AuthenticationFailed) and error.code in _GONE:
                self._refuse(error)

        asking.add_done_callback(answered)

    def _refuse(self, error: BaseException | None) -> None:
        """Say why, where that may be said, and end it."""
        if self._ended:
            return
        if isinstance(error, ConnectorError):
            kind = "refused" if isinstance(error, LoginRefused | AccessDenied) else "ended"
            _LOG.info("chain %s: a link is %s: %s", self._crowd.chain.name, kind, error)
            if self._opened is None:
                self._crowd.refused["access"] += 1
            self._transport.write(encode_frame(refusal_to_head(error)))
        else:
            name = type(error).__name__
            _LOG.error("chain %s: a link failed: %s", self._crowd.chain.name, name)
        self._cut()

    def _cut(self) -> None:
        """Write what there is to be written, and close."""
        self.end()
        self._transport.close()
        # Under TLS the other side is asked to end it as well, and may not be listening.
        self._loop.call_later(LINGER, self._transport.abort)

    def _soon(self, what: Callable[[], None]) -> None:
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:  # the loop has ended, and all connections with it
            return

    def _give_back(self, size: int) -> None:
        self._held -= size
        self._crowd.memory.give_back(size)

    def __repr__(self) -> str:
        return f"<LinkClient {'open' if self.is_open else 'coming'}>"
