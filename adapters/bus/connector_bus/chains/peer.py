"""One client's connection in AMQP's terms: open, sessions, links, and what is refused (bus.md 3).

Not one link of a client that was refused something takes the others along: a refusal ends the link, and the text says
which of our codes it is. Names that are no text, and whatever else the library has against what came, end the
connection.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, final

from connector.errors import AccessDenied, AuthenticationFailed, ConnectorError, MessagingError, Reason
from connector.spi import Subject
from connector_bus.adapter.bus import Bus
from connector_bus.chains.admission import Direction
from connector_bus.chains.browser import BrowserLink
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import NOT_ALLOWED, REDIRECT, RESOURCE_LIMIT, Refusal, refusal_of
from connector_bus.chains.consumer import ConsumerLink
from connector_bus.chains.coordinator import CoordinatorLink
from connector_bus.chains.filters import Filters, filters_for, filters_of
from connector_bus.chains.lane import Lane
from connector_bus.chains.lean import LeanLink
from connector_bus.chains.producer import ProducerLink
from connector_bus.chains.sole_connection import CAPABILITY as SOLE_CONNECTION
from connector_bus.chains.sole_connection import SoleConnections, wants_to_be_alone
from connector_bus.chains.subscriptions import (
    SEPARATOR,
    Dormant,
    Opening,
    capabilities_of,
    names_of_publisher,
    prefix_of,
    subscription_name,
    terms_of,
)
from connector_bus.chains.units import Units
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.policy.roles import Role
from connector_bus.store.amqp_content import load_proton

NO_SOURCE = Reason(
    "CF-BUS-156", "a receiving link names no source", "Give the destination's name as the source address."
)

#: The codes of the registry that say that there is no such user; anything else is an outage.
_GONE: Final = frozenset({"CF-SEC-010", "CF-SEC-011"})
#: The property of open by which a client names the chain over which it wants the bus.
TARGET_CHAIN: Final = "connector:target-chain"
#: The one by which it gives its temporary queues and topics a prefix, where no link says so itself.
TEMPORARY_PREFIX: Final = "temp-prefix"


class Link(Protocol):
    """What sender, receiver and browser have in common."""

    temporary: str | None
    link: Any

    @property
    def in_flight(self) -> int:
        """How many messages are on their way, and not settled."""
        ...

    def start(self) -> None:
        """The link has been opened."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery, which is the library's pointer."""

    def recheck(self) -> None:
        """Raise ConnectorError where the user may not have it any more."""

    def stop(self) -> None:
        """Begin nothing new: the server stops."""

    def close(self, *, for_good: bool = False) -> None:
        """The link is over."""


@final
class Peer:
    """One client. For the chain's loop only.

    Args:
        subject: Who is signed on.
        admit: Chooses the bus for a host name and the wanted chain, has the client's name taken on it, or says where to
            send the client; raises ConnectorError.
        make_side: Makes the way to that bus.
        names: Which clients are to be the only ones of their name.

    Attributes:
        closing: Whether it was ended from our side.
        takers: By link, who is told that something came of a delivery.

    Mutable state: `_side` and `_units`, set when the connection is open; `_links` by their place in the library;
    `closing`; `_checking`, and `_again` where rights have changed meanwhile.
    """

    def __init__(
        self,
        subject: Subject,
        admit: Callable[[str | None, Subject, str | None, Callable[[Bus], None]], Bus | Direction],
        make_side: Callable[[Bus, Subject], BusSide],
        names: SoleConnections,
    ) -> None:
        self._connection: Any = None
        self._subject = subject
        self._admit = admit
        self._make_side = make_side
        self._names = names
        self._give_back: Callable[[], None] = lambda: None
        self._side: BusSide | None = None
        self._units: Units | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.closing = False
        self._checking = self._again = False
        # By the library's own pointers, with that of the session: its wrappers are made anew for each event.
        self._links: dict[Any, tuple[Any, Link]] = {}
        self.takers: dict[Any, Callable[[Any], None]] = {}
        self._handlers: dict[str, Callable[[Any], None]] = {
            "PN_CONNECTION_REMOTE_OPEN": self._open,
            "PN_CONNECTION_REMOTE_CLOSE": self._close,
            "PN_SESSION_REMOTE_OPEN": self._open_session,
            "PN_SESSION_REMOTE_CLOSE": self._close_session,
            "PN_LINK_REMOTE_OPEN": self._attach,
            "PN_LINK_REMOTE_CLOSE": self._detach,
            "PN_LINK_REMOTE_DETACH": self._detach,
        }

    def begin(self, connection: Any) -> None:
        """Whose connection it is: the library's."""
        self._connection = connection

    @property
    def is_open(self) -> bool:
        """Whether the client has been let onto a bus."""
        return self._side is not None

    def on_event(self, name: str, event: Any) -> None:
        """Take one event of the library."""
        handler = self._handlers.get(name)
        if handler is not None:
            handler(event)

    def on_flow(self, link: Any) -> None:
        """Credit has changed on a link, which is the library's pointer."""
        found = self._links.get(link)
        if found is not None:
            found[1].on_flow()

    def end(self) -> None:
        """The connection is gone: what was out at the client goes back, its temporary queues go."""
        self._unsubscribe()
        self._give_back()
        links, self._links = list(self._links.values()), {}
        self.takers.clear()
        for _, link in links:
            link.close()
        if self._units is not None:
            self._units.close()
        if self._side is not None:
            self._side.close()

    def resume(self) -> None:
        """There is room again for what the client is to be sent."""
        for _, link in list(self._links.values()):
            link.on_flow()

    def stop(self) -> None:
        """The server stops: nothing new begins, what is under way may end."""
        for _, link in list(self._links.values()):
            link.stop()

    @property
    def in_flight(self) -> int:
        """How many messages are on their way, and not settled."""
        return sum(link.in_flight for _, link in self._links.values())

    # --- rights that change -------------------------------------------------------------------------------------------

    def recheck(self) -> None:
        """Rights may have changed: ask who the user is now, then whether everything open may stay so."""
        side = self._side
        if side is None or self.closing:
            return
        if self._checking:
            self._again = True
            return
        self._checking = True
        side.apart(side.known_now, self._rechecked)

    def _rechecked(self, subject: Subject | None, error: BaseException | None) -> None:
        side, self._checking = self._side, False
        if side is None or self.closing:
            return
        if isinstance(error, AccessDenied) or (isinstance(error, AuthenticationFailed) and error.code in _GONE):
            self._end_connection(refusal_of(error))
            return
        if subject is not None:  # else nobody can say: what is known of the user stays
            self._subject = subject
            side.is_now(subject)
        try:
            side.bus.access.require(self._subject, Role.CONNECTOR)
        except ConnectorError as denial:
            self._end_connection(refusal_of(denial))
            return
        for made in [found for _, found in self._links.values()]:
            try:
                made.recheck()
            except ConnectorError as denial:
                self._drop(made.link, refusal_of(denial))
        if self._again:
            self._again = False
            self.recheck()

    def _end_connection(self, refusal: Refusal) -> None:
        self.closing = True
        for _, link in list(self._links.values()):
            link.stop()
        self._refuse(self._connection, refusal)

    # --- connection and sessions --------------------------------------------------------------------------------------

    def _open(self, event: Any) -> None:
        proton = load_proton()
        connection = self._connection
        try:
            target = _text_property(connection, TARGET_CHAIN)
            bus = self._admit(connection.remote_hostname, self._subject, target, self._take_name)
        except ConnectorError as error:
            self._give_back()
            self._give_back = lambda: None
            # Said with the open, so that clients don't take the connection for good before the close comes.
            connection.properties = proton.PropertyDict({proton.symbol("amqp:connection-establishment-failed"): True})
            connection.open()
            self.closing = True
            self._refuse(connection, refusal_of(error))
            return
        if isinstance(bus, Direction):
            self._redirect(connection, bus)
            return
        side = self._make_side(bus, self._subject)
        self._side = side
        side.refuse = self._drop
        side.publishers = names_of_publisher(side.physical.id, side.user or "", connection.remote_container or "")
        self._units = Units(side)
        self._unsubscribe = bus.access.subscribe(lambda: side.call_soon(self.recheck))
        connection.offered_capabilities = proton.SymbolList(
            ["ANONYMOUS-RELAY", "DELAYED_DELIVERY", "SHARED-SUBS", SOLE_CONNECTION]
        )
        properties: dict[str, Any] = {"product": "connector-framework", "bus": bus.name}
        if side.chain.failover:
            properties["failover-server-list"] = [_symbols(place.described(bus.name)) for place in side.chain.failover]
        connection.properties = proton.PropertyDict(properties)
        connection.open()

    def _take_name(self, bus: Bus) -> None:
        """Raises MessagingError CF-BUS-500 where the client wants to be the only one of its name, and isn't."""
        if wants_to_be_alone(self._connection):
            caller = self._subject.caller if self._subject.is_authenticated else None
            user = "" if caller is None else caller.name
            self._give_back = self._names.take(bus.name, user, self._connection.remote_container or "")

    def _redirect(self, connection: Any, direction: Direction) -> None:
        """Whoever may have the bus is told where to get it."""
        proton = load_proton()
        bus, place = direction.bus, direction.place
        connection.properties = proton.PropertyDict({proton.symbol("amqp:connection-establishment-failed"): True})
        connection.open()
        self.closing = True
        text = f"Bus {bus} is served at {place}."
        connection.condition = proton.Condition(REDIRECT, text, _symbols(place.described(bus)))
        connection.close()

    def _close(self, event: Any) -> None:
        self._connection.close()

    def _open_session(self, event: Any) -> None:
        event.session.open()

    def _close_session(self, event: Any) -> None:
        ended = event.session._impl
        for key in [key for key, (session, _) in self._links.items() if session == ended]:
            self.takers.pop(key, None)
            self._ended(self._links.pop(key)[1])
        event.session.close()
        event.session.free()

    # --- links --------------------------------------------------------------------------------------------------------

    def _attach(self, event: Any) -> None:
        link = LeanLink(event.link)
        if self._side is None or self._units is None or self.closing:
            # The library tells of links that come before the open has been answered.
            if not self.closing:  # else the close is on its way, and what it says is not to come second
                self._refuse_link(link, Refusal(NOT_ALLOWED, "The connection is not open."))
            return
        limit = self._side.chain.max_links
        if len(self._links) >= limit:
            self._refuse_link(link, Refusal(RESOURCE_LIMIT, f"A connection has at most {limit} links."))
            return
        try:
            attach = self._receiving if link.is_sender else self._sending
            made = attach(link, self._side, self._units)
        except ConnectorError as error:
            self._refuse_link(link, refusal_of(error))
            return
        if isinstance(made, ProducerLink) and made.name is not None and not self._side.is_topic_space(made.name):
            made = Lane(link, made, self._side, made.name)
        self._links[link._impl] = (link.session._impl, made)
        self.takers[link._impl] = made.on_delivery
        made.start()

    def _sending(self, link: Any, side: BusSide, units: Units) -> Link:
        """The client wants to send: our side of the link is the receiver."""
        wanted = link.remote_target
        if wanted.type == wanted.COORDINATOR:
            link.source.copy(link.remote_source)
            link.target.copy(wanted)
            link.open()
            return CoordinatorLink(link, units)
        name, temporary, topic = wanted.address or None, None, None
        if wanted.dynamic:
            name = temporary = self._temporary(wanted, side)
        elif name is not None:
            name, topic = side.place_of(name)
            side.may_send(name, topic)
        link.source.copy(link.remote_source)
        link.target.copy(wanted)
        if temporary is not None:
            link.target.dynamic, link.target.address = True, temporary
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.open()
        return ProducerLink(link, side, units, name, temporary, topic)

    def _receiving(self, link: Any, side: BusSide, units: Units) -> Link:
        """The client wants to receive, or to look."""
        wanted = link.remote_source
        browses = wanted.distribution_mode == wanted.DIST_MODE_COPY
        filters = filters_of(wanted)
        if wanted.type == wanted.UNSPECIFIED:
            return self._dormant(link, side)
        temporary = self._temporary(wanted, side) if wanted.dynamic else None
        address = temporary or wanted.address
        if not address:
            raise MessagingError(NO_SOURCE)
        name, topic = side.place_of(address)
        if side.is_topic_space(name):
            return self._subscribing(link, side, units, name, topic, filters, temporary)
        destination = side.consumable(name, Role.BROWSER if browses else Role.RECEIVER)
        selector = filters.selector()
        presettled = self._echo(link, filters.applied(no_local=False), temporary)
        if browses:
            return BrowserLink(link, side, destination, selector)
        return ConsumerLink(
            link, side, units, destination, presettled=presettled, selector=selector, temporary=temporary
        )

    def _temporary(self, terminus: Any, side: BusSide) -> str:
        """Make the node of a dynamic terminus. Raises AccessDenied CF-BUS-122."""
        wants_topic = "temporary-topic" in capabilities_of(terminus)
        prefix = prefix_of(terminus) or _text_property(self._connection, TEMPORARY_PREFIX)
        return side.new_temporary(prefix, is_topic_space=wants_topic)

    @staticmethod
    def _echo(link: Any, applied: dict[Any, Any], temporary: str | None) -> bool:
        """Open a link to a receiver; answers whether it wants no acknowledgements."""
        link.source.copy(link.remote_source)
        link.source.filter.clear()
        if applied:  # only what is applied is echoed
            link.source.filter.put_object(applied)
        if temporary is not None:
            link.source.dynamic, link.source.address = True, temporary
        link.target.copy(link.remote_target)
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.open()
        return bool(link.remote_snd_settle_mode == link.SND_SETTLED)

    def _subscribing(
        self,
        link: Any,
        side: BusSide,
        units: Units,
        name: str,
        topic: str | None,
        filters: Filters,
        temporary: str | None,
    ) -> Link:
        """The client wants to subscribe; that may take its time."""
        container = self._connection.remote_container or ""
        publishers = side.publishers if filters.no_local else None
        terms = terms_of(link.remote_source, link.name, container, topic, filters.text, publishers)
        applied = filters.applied(no_local=terms.no_local is not None)

        def opened(opening: Opening, subscription: OpenSubscription | None, error: BaseException | None) -> None:
            if opening.closed or subscription is None:
                if subscription is not None:
                    side.unsubscribe(subscription, None)
                elif error is not None and not opening.closed:
                    self._links.pop(link._impl, None)
                    self.takers.pop(link._impl, None)
                    self._refuse_link(link, refusal_of(error))
                return
            presettled = self._echo(link, applied, temporary)
            made = ConsumerLink(
                link,
                side,
                units,
                subscription.destination,
                presettled=presettled,
                temporary=temporary,
                subscription=subscription,
            )
            self.takers[link._impl] = made.on_delivery
            self._links[link._impl] = (link.session._impl, made)
            made.start()
            made.on_flow()

        opening = Opening(link, terms, opened)
        side.apart(lambda: side.subscribe(name, terms), opening.done)
        return opening

    def _dormant(self, link: Any, side: BusSide) -> Link:
        """The client names a durable subscription without a source: it wants to delete it.

        What stands against that is told now: of what goes wrong when the link is closed the client hears nothing.
        """
        container = self._connection.remote_container or ""
        name = subscription_name(link.name, container, capabilities_of(link.remote_source))
        record = side.bus.engine.topics.deletable(name, side.subject)
        topic = "" if record.pattern == "#" else f"{SEPARATOR}{record.pattern}"
        link.source.type = link.source.SOURCE
        link.source.address = f"{record.through}{topic}"
        link.source.durability = link.source.DELIVERIES
        link.source.expiry_policy = link.source.EXPIRE_NEVER
        if filters := filters_for(record):
            link.source.filter.put_object(filters)
        link.target.copy(link.remote_target)
        link.open()
        return Dormant(link, lambda: side.unsubscribe(None, name))

    def _detach(self, event: Any) -> None:
        link, for_good = event.link, event.type.name != "PN_LINK_REMOTE_DETACH"
        _, made = self._links.pop(link._impl, (None, None))
        self.takers.pop(link._impl, None)
        if made is not None:
            self._ended(made, for_good=for_good)
        if for_good:
            link.close()
        else:
            link.detach()
        link.free()  # else the session keeps it for as long as it lasts

    def _drop(self, link: Any, refusal: Refusal) -> None:
        """End a link from our side, and say why; the connection goes on."""
        _, made = self._links.pop(link._impl, (None, None))
        self.takers.pop(link._impl, None)
        if made is not None:
            self._ended(made)
            self._refuse(link, refusal)

    def _ended(self, made: Link, *, for_good: bool = False) -> None:
        made.close(for_good=for_good)
        if made.temporary is not None and self._side is not None:
            self._side.drop_temporary(made.temporary)

    def _refuse_link(self, link: Any, refusal: Refusal) -> None:
        """Attach without a terminus and detach with the reason, both at once: else clients wait for the second."""
        link.source.type = link.target.type = link.source.UNSPECIFIED
        link.open()
        self._refuse(link, refusal)

    @staticmethod
    def _refuse(endpoint: Any, refusal: Refusal) -> None:
        proton = load_proton()
        info = None if refusal.field is None else _symbols({"invalid-field": proton.symbol(refusal.field)})
        endpoint.condition = proton.Condition(refusal.condition, refusal.description, info)
        endpoint.close()


def _symbols(fields: Mapping[str, Any]) -> dict[Any, Any]:
    symbol = load_proton().symbol
    return {symbol(name): value for name, value in fields.items()}


def _text_property(connection: Any, wanted: str) -> str | None:
    """What a client says in a property of its open; None for nothing."""
    for name, value in (connection.remote_properties or {}).items():
        if str(name) == wanted and isinstance(value, str) and value:
            return str(value)
    return None
