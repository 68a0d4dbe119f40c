"""The receiving end of the links of one bus: who may open one, and what becomes of what comes over it (BUS-9, BUS-11).

The second of the two stages is here: the identity in the message, as it is once the link's rules are applied, needs the
sender role on the destination itself, by this bus's own policy. Where it is for a further bus, it needs what a local
sender needs for that: each bus on the way asks.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol, final

from connector.errors import (
    AccessDenied,
    ConnectionFailed,
    ConnectorError,
    LoginRefused,
    MessagingError,
    Reason,
    RegistryUnavailable,
)
from connector.spi import UNAUTHENTICATED, AuthenticationData, IdentityService, Principal, ServerPrincipal
from connector_bus.engine.destination import is_reply_queue
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.failure import FailureNote, exception_record, is_fault
from connector_bus.engine.forward_path import HOP_LIMIT, TOO_MANY_HOPS, Arrival
from connector_bus.engine.rooms import FULL
from connector_bus.engine.ways_out import AT
from connector_bus.links.contract import LinkSession
from connector_bus.links.exploration import NOT_TOLD, Question, RouteExplorer, Stage
from connector_bus.links.identity import arriving_as
from connector_bus.links.transfer import ACCEPTED, Answer, Login, Outcome, Transfer
from connector_bus.reliability import Reliability
from connector_bus.settings import NO_EXCEPTION_DESTINATION, LinkSettings, LinkTransport
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit

NOT_LINKED = Reason(
    "CF-BUS-202",
    "bus {bus} has no link with bus {peer}",
    'Both buses define the link: add [buses."{bus}".foreign_buses."{peer}".link] there.',
)
WRONG_USER = Reason(
    "CF-BUS-203",
    "the engine of bus {peer} presents another user than the link of bus {bus} is for",
    "The authentication aliases of both ends name the same user; or certificate_user whom the certificate stands for.",
)
LINK_REFUSED = Reason(
    "CF-BUS-204",
    "the engine of bus {peer} could not sign on to bus {bus}: {cause}",
    "Correct the authentication alias of the link.",
)
SUPERSEDED = Reason(
    "CF-BUS-205",
    "this session of the link from bus {peer} to bus {bus} is over",
    "The engine has opened another one, or the link has changed; it goes on with a new session.",
)

OTHER_TRANSPORT = Reason(
    "CF-BUS-440",
    "the link of bus {bus} with bus {peer} is not one that comes over the network",
    'Set transport = "chain" and the endpoints of bus {peer} in [buses."{bus}".foreign_buses."{peer}".link].',
)
PLAIN_REFUSED = Reason(
    "CF-BUS-441",
    "bus {bus} is secured, and takes the link from bus {peer} over a chain with TLS only",
    "Name a chain with TLS on the other side; or set allow_plain = true on both, where nobody can listen.",
)
ALIAS_NEEDED = Reason(
    "CF-BUS-442",
    "bus {bus} is secured, and its link with bus {peer} comes over the network without authentication alias",
    "Give both ends of the link an alias, with the same user.",
)
CERTIFICATE_NEEDED = Reason(
    "CF-BUS-535",
    "bus {bus} takes the link from bus {peer} by certificate only, and it has signed on by something else",
    "Give the link on bus {peer} certificate_user in place of its alias; or this one an alias.",
)
TOO_MANY_SESSIONS = Reason(
    "CF-BUS-451",
    "bus {peer} has {limit} engines on the link with bus {bus} already",
    "End some; each container of a bus is one engine.",
)
#: How many engines of one bus may have a session each.
MAX_ENGINES: Final = 32

#: Of the store: nothing is wrong with the message, and the next session tries it again.
_OUTAGES: Final = frozenset({"CF-BUS-052", "CF-BUS-053", "CF-BUS-056", "CF-BUS-080", "CF-BUS-081", "CF-BUS-085"})

_LOG = logging.getLogger("connector_bus.links")


@final
class _Line:
    """What is known of the link with one bus.

    Attributes:
        taking: Held while messages are taken over, which may be long.
        seen: What was taken over, messages in memory included; under `taking`.

    Mutable state: `_sessions`, the newest one of each engine, under a lock that is never held for long.
    """

    def __init__(self) -> None:
        self.taking = threading.Lock()
        self.seen: set[str] = set()
        self._lock = threading.Lock()
        self._sessions: dict[str, ReceiverSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, engine: str, session: ReceiverSession) -> bool:
        """A session has begun; it ends the one before it. False where there are too many engines."""
        with self._lock:
            before = self._sessions.get(engine)
            if before is None and len(self._sessions) >= MAX_ENGINES:
                return False
            self._sessions[engine] = session
        if before is not None:
            before.on_end()
        return True

    def end(self, engine: str | None = None, session: ReceiverSession | None = None) -> None:
        """A session has ended, if it is the newest one; without one, all have."""
        ended = []
        with self._lock:
            if engine is None:
                ended = list(self._sessions.values())
                self._sessions.clear()
            elif self._sessions.get(engine) is session:
                del self._sessions[engine]
        for each in ended:
            each.on_end()

    def is_newest(self, engine: str, session: ReceiverSession) -> bool:
        """Whether a session is the engine's present one."""
        with self._lock:
            return self._sessions.get(engine) is session


class LinkPeer(Protocol):
    """Who has sent something."""

    @property
    def peer(self) -> str:
        """The bus at the other end."""
        ...

    @property
    def authenticated(self) -> bool:
        """Whether its engine is."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """Who is at the other end of a connection from the network.

    Attributes:
        user: Who has signed on; None for nobody.
        secure: Whether the connection is protected by TLS.
        by_certificate: Whether a certificate has said who, and no password.
    """

    user: str | None
    secure: bool
    by_certificate: bool = False


@dataclass(frozen=True, slots=True)
class Arrived:
    """One transfer with what this bus makes of it.

    Attributes:
        transfer: As it came.
        peer: The bus at the other end.
        identity: Whose it is here.
        is_fault: Whether it is a fault of an engine for a requester of this bus.
    """

    transfer: Transfer
    peer: str
    identity: Principal
    is_fault: bool


@final
class LinkReceiver:
    """The entrance of one bus; implements `connector_bus.links.contract.LinkEntrance`. Safe to use from any thread.

    Args:
        engine: The engine.
        failures: Makes the faults.
        server: This engine's own identity.
        identity: Who is who.
        authentication_data: User and password of an alias.
        explorer: Tells where messages would go.

    Mutable state: `_lines`, which only grows, under `_lock`; each line under its own lock.
    """

    def __init__(
        self,
        engine: BusEngine,
        failures: FailureHandling,
        server: ServerPrincipal,
        identity: IdentityService,
        authentication_data: Callable[[str], AuthenticationData],
        explorer: RouteExplorer,
    ) -> None:
        self.explorer = explorer
        self._engine = engine
        self._failures = failures
        self._server = server
        self._identity = identity
        self._authentication_data = authentication_data
        self._lock = threading.Lock()
        self._lines: dict[str, _Line] = {}

    def open(self, login: Login) -> LinkSession:
        """Let an engine in. Blocks for the registry and the store. Raises LoginRefused CF-BUS-202 to -204, -451."""
        link = self.link_with(login.bus)
        return self._begin(login, authenticated=self._authenticate(login, link))

    def open_from_network(self, login: Login, peer: NetworkPeer) -> ReceiverSession:
        """Let an engine in that has come over a chain, and signed on there. Blocks for the store.

        Raises LoginRefused CF-BUS-202 to -204, -440 to -442, -451, -535.
        """
        link = self.link_with(login.bus)
        place = {"bus": self._engine.name, "peer": login.bus}
        if link.transport is not LinkTransport.CHAIN:
            raise LoginRefused(OTHER_TRANSPORT, **place)
        if not self._engine.access.active:
            return self._begin(login, authenticated=False)
        if link.alias is None and link.certificate_user is None:
            raise LoginRefused(ALIAS_NEEDED, **place)
        if not peer.secure and not link.allow_plain:
            raise LoginRefused(PLAIN_REFUSED, **place)
        if link.certificate_user is not None and not peer.by_certificate:
            raise LoginRefused(CERTIFICATE_NEEDED, **place)
        expected = link.certificate_user or self._expected(link.alias or "", place)
        if peer.user is None or peer.user != expected:
            raise LoginRefused(WRONG_USER, **place)
        return self._begin(login, authenticated=True)

    def _begin(self, login: Login, *, authenticated: bool) -> ReceiverSession:
        with self._lock:
            line = self._lines.setdefault(login.bus, _Line())
        session = ReceiverSession(self, line, login, authenticated=authenticated)
        if not line.begin(login.engine, session):
            raise LoginRefused(TOO_MANY_SESSIONS, bus=self._engine.name, peer=login.bus, limit=MAX_ENGINES)
        with line.taking:
            line.seen |= self._engine.store.received(login.bus)
        return session

    def link_with(self, peer: str) -> LinkSettings:
        """The settings of the link with a bus, as they are now. Raises LoginRefused CF-BUS-202."""
        way = self._engine.ways.ways.get(peer)
        if way is None or way.link is None:
            raise LoginRefused(NOT_LINKED, bus=self._engine.name, peer=peer)
        return way.link

    def sessions(self, peer: str) -> int:
        """How many engines of a bus have a session."""
        line = self._lines.get(peer)
        return 0 if line is None else len(line)

    def end(self, peer: str) -> None:
        """End the sessions with a bus, since its link has changed: their engines sign on again. Does not block."""
        line = self._lines.get(peer)
        if line is not None:
            line.end()

    def _authenticate(self, login: Login, link: LinkSettings) -> bool:
        """Whether the engine at the other end is authenticated. Both ends present the same user."""
        if not self._engine.access.active or link.alias is None:
            return False
        place = {"bus": self._engine.name, "peer": login.bus}
        if login.user is None or login.user != self._expected(link.alias, place) or login.password is None:
            raise LoginRefused(WRONG_USER, **place)
        try:
            self._identity.authenticate(login.user, login.password)
        except ConnectorError as error:
            raise LoginRefused(LINK_REFUSED, cause=error.code, **place) from error
        return True

    def _expected(self, alias: str, place: Mapping[str, str]) -> str:
        """The user that the other end has to present: our own of the link. Raises LoginRefused CF-BUS-204."""
        try:
            return self._authentication_data(alias).user
        except ConnectorError as error:
            raise LoginRefused(LINK_REFUSED, cause=error.code, **place) from error

    def explore(self, session: ReceiverSession, question: Question) -> Sequence[Stage]:
        """Say what would become of a message."""
        engine = self._engine
        if engine.access.active and not session.authenticated:
            raise ConnectionFailed(NOT_TOLD, bus=engine.name, peer=session.peer)
        stages = self.explorer.answer(question, *self._arriving(session, question.identity))
        # Rules are a container's own affair, which has administrators of its own.
        return stages if session.is_within else [replace(each, rule="", assignment="") for each in stages]

    def forget(self, peer: str, seen: set[str], transfers: Collection[str]) -> None:
        """Forget what will not be sent again. Not waited for: what is not written is only kept for longer."""
        known = [each for each in transfers if each in seen]
        if known:
            seen.difference_update(known)
            self._engine.store.submit(StoreUnit(forgotten=tuple((peer, each) for each in known)))

    def take_first(
        self, session: LinkPeer, transfers: Sequence[Transfer], *, wait: bool, divert: bool = True
    ) -> list[Answer]:
        """Store the first transfers, at least one, where they belong, and that they were taken over.

        As many as are let in without more ado go to the store as one unit, since waiting for the disk is what takes
        its time. The first one that isn't is seen to alone, as `take` does, which says what is raised. The caller holds
        the line's lock for taking.
        """
        let_in: list[tuple[Arrived, tuple[StoredMessage, ...]]] = []
        for transfer in transfers:
            arrived = self._arrived(session, transfer)
            try:
                let_in.append((arrived, self._stored(arrived)))
            except ConnectorError:
                break
        if len(let_in) > 1:
            sends = [each for _, several in let_in for each in several]
            received = [each for arrived, several in let_in for each in _received(arrived, several)]
            try:
                self._engine.commit(sends, limited=True, wait=False, received=received)
                return [ACCEPTED] * len(let_in)
            except ConnectorError as error:
                if _is_outage(error):
                    raise
        return [self.take(session, transfers[0], wait=wait, divert=divert)]

    def take(self, session: LinkPeer, transfer: Transfer, *, wait: bool, divert: bool = True) -> Answer:
        """Store one transfer where it belongs, and that it was taken over; `wait` for a place where there is none.

        The caller holds the line's lock for taking. Raises ConnectorError for an outage: nothing was stored; and
        DestinationFull CF-BUS-173 where there is no place, if it is not to be diverted to an exception destination.
        """
        arrived = self._arrived(session, transfer)
        link = self.link_with(arrived.peer)
        try:
            self._commit(arrived, self._stored(arrived), wait=wait)
            return ACCEPTED
        except ConnectorError as error:
            if _is_outage(error) or (error.code == FULL.code and not divert):
                raise
            return self._failed(arrived, link, error)

    def _arrived(self, session: LinkPeer, transfer: Transfer) -> Arrived:
        access, peer = self._engine.access, session.peer
        came = transfer.header.identity or UNAUTHENTICATED
        fault = (
            is_fault(transfer.header)
            and is_reply_queue(transfer.destination)
            and (session.authenticated or not access.active)
        )
        if fault:
            # Whoever is authenticated as an engine may say that a request has failed; to nobody but a requester.
            return Arrived(transfer, peer, self._server, is_fault=True)
        return Arrived(transfer, peer, self._arriving(session, came)[0], is_fault=False)

    def _arriving(self, session: LinkPeer, came: Principal) -> tuple[Principal, str]:
        return arriving_as(
            came,
            self.link_with(session.peer).inbound_user,
            secured=self._engine.access.active,
            authenticated=session.authenticated,
            realm=self._identity.realm,
            trusted_realms=self._identity.trusted_realms,
        )

    def _name(self, transfer: Transfer) -> str:
        here = transfer.bus == self._engine.name
        return transfer.destination if here else f"{transfer.destination}{AT}{transfer.bus}"

    def _stored(self, arrived: Arrived) -> tuple[StoredMessage, ...]:
        """The message as this bus stores it, here or on its way to a further bus, once its identity has passed.

        Raises what refuses it.
        """
        engine, transfer = self._engine, arrived.transfer
        if transfer.hops >= HOP_LIMIT:
            raise MessagingError(TOO_MANY_HOPS, bus=engine.name, limit=HOP_LIMIT)
        header = engine.ways.arriving(transfer.header).replace(body=transfer.content)
        name = self._name(transfer)
        if arrived.is_fault:
            arrival = Arrival(engine.destinations.route(name), name, header.replace(forward_path=()), 0)
        else:
            arrival = engine.follow(engine.access.subject_of(arrived.identity), name, header)
        accepted = engine.accept(
            arrival.message,
            arrival.name,
            arrived.identity,
            message_id=header.message_id,
            timestamp=header.timestamp,
            hops=transfer.hops + 1 + arrival.passed,
            reliability=transfer.reliability,
        )
        return engine.fan_out(arrival.route, replace(accepted, origin=arrived.peer))

    def _commit(
        self, arrived: Arrived, sends: Sequence[StoredMessage], *, limited: bool = True, wait: bool = True
    ) -> None:
        self._engine.commit(sends, limited=limited, wait=wait, received=_received(arrived, sends))

    def _failed(self, arrived: Arrived, link: LinkSettings, error: ConnectorError) -> Answer:
        """It can't go where it is for: to the exception destination of that, else of the link; or the link waits."""
        note, transfer = FailureNote.of(error), arrived.transfer
        refused = Answer(Outcome.REFUSED, note.code, note.text)
        to = self._destination_for(transfer, link)
        best_effort = transfer.reliability is Reliability.BEST_EFFORT
        if to is None and not best_effort and not is_fault(transfer.header):
            return Answer(Outcome.BLOCKED, note.code, note.text)
        header = self._engine.ways.arriving(transfer.header).replace(
            destination=self._name(transfer), identity=arrived.identity
        )
        stored = StoredMessage(
            self._engine.next_sequence(), header, transfer.content, hops=transfer.hops, reliability=transfer.reliability
        )
        sends = []
        if best_effort or to is None:
            self._engine.drop(1)
        else:
            sends.append(self._record(arrived, stored, to, note, error))
        sends += self._failures.fault(stored, note)
        self._commit(arrived, sends, limited=False)
        _LOG.warning(
            "bus %s: message %s for %s from bus %s %s: %s",
            self._engine.name,
            header.message_id,
            self._name(transfer),
            arrived.peer,
            "is dropped" if best_effort or to is None else f"goes to {to}",
            note.code,
        )
        return refused

    def _record(
        self, arrived: Arrived, stored: StoredMessage, to: str, note: FailureNote, error: ConnectorError
    ) -> StoredMessage:
        """The message in an exception destination, with stage and rule: to find out why it failed is hard enough."""
        came = arrived.transfer.header.identity or UNAUTHENTICATED
        explanation = error.explanation if isinstance(error, AccessDenied) else None
        return exception_record(
            stored,
            note,
            sequence=self._engine.next_sequence(),
            to=to,
            attempts=1,
            now=self._engine.clock.time(),
            exception_link=arrived.peer,
            exception_stage="arrival" if arrived.transfer.bus == self._engine.name else "passing on",
            exception_identity_came=str(came),
            exception_rule=None if explanation is None else explanation.answer,
        )

    def _destination_for(self, transfer: Transfer, link: LinkSettings) -> str | None:
        """Where a message goes that can't be delivered; None where it has to wait on the other side."""
        settings = self._engine.settings
        target = self._engine.destinations.find(transfer.destination) if transfer.bus == self._engine.name else None
        own = None if target is None or target.settings is None else target.settings.exception_destination
        if own is not None and own != NO_EXCEPTION_DESTINATION:
            return own
        if link.exception_destination == NO_EXCEPTION_DESTINATION:
            return None
        return link.exception_destination or settings.exception_destination


@final
class ReceiverSession:
    """The receiving end of one session; implements `connector_bus.links.contract.LinkSession`.

    Attributes:
        peer: The bus at the other end.
        authenticated: Whether its engine is.
        on_end: Called, from any thread and perhaps more than once, when the session is ended from this side; for
            whoever holds a connection open for it. Must not block.
    """

    def __init__(self, receiver: LinkReceiver, line: _Line, login: Login, *, authenticated: bool) -> None:
        self.peer = login.bus
        self.authenticated = authenticated
        self.on_end: Callable[[], None] = lambda: None
        self._receiver = receiver
        self._line = line
        self._login = login

    @property
    def is_within(self) -> bool:
        """Whether the engine at the other end is of this container."""
        return self._login.is_within

    @property
    def endpoint(self) -> str:
        """See the contract."""
        return "this container"

    def held(self) -> frozenset[str]:
        """See the contract."""
        with self._line.taking:
            self._require_newest()
            return frozenset(self._line.seen)

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """See the contract."""
        answers: list[Answer] = []
        wait = True
        # One at a time on each link, and by the newest session of an engine only: a message that an older session
        # still has in its hands must not come after it has been forgotten.
        with self._line.taking:
            self._require_newest()
            self._receiver.forget(self.peer, self._line.seen, forget)
            while len(answers) < len(batch):
                self._require_newest()
                rest = batch[len(answers) :]
                if rest[0].id in self._line.seen:
                    answers.append(ACCEPTED)
                    continue
                for each, answer in zip(
                    rest, self._receiver.take_first(self, self._fresh(rest), wait=wait), strict=False
                ):
                    answers.append(answer)
                    if answer.outcome is Outcome.BLOCKED:
                        return answers
                    self._line.seen.add(each.id)
                    # Where one has waited in vain, the rest does not: the other side waits for the answer.
                    wait = wait and answer.code != FULL.code
        return answers

    def _fresh(self, transfers: Sequence[Transfer]) -> Sequence[Transfer]:
        """The first ones, as long as none was taken over before, nor comes twice among them."""
        met: set[str] = set()
        for number, each in enumerate(transfers):
            if each.id in self._line.seen or each.id in met:
                return transfers[:number]
            met.add(each.id)
        return transfers

    def explore(self, question: Question) -> Sequence[Stage]:
        """See the contract."""
        self._require_newest()
        return self._receiver.explore(self, question)

    def close(self) -> None:
        """See the contract. Does not block."""
        self._line.end(self._login.engine, self)

    def _require_newest(self) -> None:
        if not self._line.is_newest(self._login.engine, self):
            raise ConnectionFailed(SUPERSEDED, peer=self.peer, bus=self._login.to)


def _received(arrived: Arrived, sends: Sequence[StoredMessage]) -> tuple[tuple[str, str], ...]:
    """What is noted of a transfer that is taken over: nothing where its messages don't outlive the engine either, or
    where the other side doesn't number them.
    """
    durable = any(each.reliability.is_persistent and not is_reply_queue(each.destination) for each in sends)
    return ((arrived.peer, arrived.transfer.id),) if durable and arrived.transfer.id else ()


def _is_outage(error: ConnectorError) -> bool:
    """Whether the failure is none of the message's: what it needs does not answer, or the link has just changed."""
    return isinstance(error, RegistryUnavailable | LoginRefused) or error.code in _OUTAGES
