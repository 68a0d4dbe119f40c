"""One client's connection in AMQP's terms: open, sessions, links, and what is refused (bus.md 3).

Not one link of a client that was refused something takes the others along: a refusal ends the link, and the text says
which of our codes it is. Names that are no text, and whatever else the library has against what came, end the
connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from connector.errors import AccessDenied, AuthenticationFailed, ConnectorError
from connector.spi import Subject
from connector_bus.adapter.bus import Bus
from connector_bus.chains.admission import Direction
from connector_bus.chains.attaching import Attaching
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import NOT_ALLOWED, RESOURCE_LIMIT, Refusal, refusal_of
from connector_bus.chains.lean import LeanLink
from connector_bus.chains.link import Link
from connector_bus.chains.link_table import LinkTable
from connector_bus.chains.refusing import refuse, refuse_link
from connector_bus.chains.sole_connection import SoleConnections, wants_to_be_alone
from connector_bus.chains.subscriptions import names_of_publisher
from connector_bus.chains.units import Units
from connector_bus.chains.welcome import redirect, text_property, turn_away, welcome
from connector_bus.policy.roles import Role

#: The codes of the registry that say that there is no such user; anything else is an outage.
_GONE: Final = frozenset({"CF-SEC-010", "CF-SEC-011"})
#: The property of open by which a client names the chain over which it wants the bus.
TARGET_CHAIN: Final = "connector:target-chain"


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

    Mutable state: `_side`, `_units` and `_attaching`, set when the connection is open; `_links`;
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
        self._attaching: Attaching | None = None
        self._unsubscribe: Callable[[], None] = lambda: None
        self.closing = False
        self._checking = self._again = False
        self._links = LinkTable()
        self.takers = self._links.takers
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
        made = self._links.get(link)
        if made is not None:
            made.on_flow()

    def end(self) -> None:
        """The connection is gone: what was out at the client goes back, its temporary queues go."""
        self._unsubscribe()
        self._give_back()
        for link in self._links.pop_all():
            link.close()
        if self._units is not None:
            self._units.close()
        if self._side is not None:
            self._side.close()

    def resume(self) -> None:
        """There is room again for what the client is to be sent."""
        for link in self._links.all():
            link.on_flow()

    def stop(self) -> None:
        """The server stops: nothing new begins, what is under way may end."""
        for link in self._links.all():
            link.stop()

    @property
    def in_flight(self) -> int:
        """How many messages are on their way, and not settled."""
        return sum(link.in_flight for link in self._links.all())

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
        for made in self._links.all():
            try:
                made.recheck()
            except ConnectorError as denial:
                self._drop(made.link, refusal_of(denial))
        if self._again:
            self._again = False
            self.recheck()

    def _end_connection(self, refusal: Refusal) -> None:
        self.closing = True
        for link in self._links.all():
            link.stop()
        refuse(self._connection, refusal)

    # --- connection and sessions --------------------------------------------------------------------------------------

    def _open(self, event: Any) -> None:
        connection = self._connection
        try:
            target = text_property(connection, TARGET_CHAIN)
            bus = self._admit(connection.remote_hostname, self._subject, target, self._take_name)
        except ConnectorError as error:
            self._give_back()
            self._give_back = lambda: None
            self.closing = True
            turn_away(connection, refusal_of(error))
            return
        if isinstance(bus, Direction):
            self.closing = True
            redirect(connection, bus)
            return
        side = self._make_side(bus, self._subject)
        self._side = side
        side.refuse = self._drop
        side.publishers = names_of_publisher(side.physical.id, side.user or "", connection.remote_container or "")
        self._units = Units(side)
        self._attaching = Attaching(connection, side, self._units, self._links)
        self._unsubscribe = bus.access.subscribe(lambda: side.call_soon(self.recheck))
        welcome(connection, side)

    def _take_name(self, bus: Bus) -> None:
        """Raises MessagingError CF-BUS-500 where the client wants to be the only one of its name, and isn't."""
        if wants_to_be_alone(self._connection):
            caller = self._subject.caller if self._subject.is_authenticated else None
            user = "" if caller is None else caller.name
            self._give_back = self._names.take(bus.name, user, self._connection.remote_container or "")

    def _close(self, event: Any) -> None:
        self._connection.close()

    def _open_session(self, event: Any) -> None:
        event.session.open()

    def _close_session(self, event: Any) -> None:
        for made in self._links.pop_session(event.session._impl):
            self._ended(made)
        event.session.close()
        event.session.free()

    # --- links --------------------------------------------------------------------------------------------------------

    def _attach(self, event: Any) -> None:
        link = LeanLink(event.link)
        if self._side is None or self._attaching is None or self.closing:
            # The library tells of links that come before the open has been answered.
            if not self.closing:  # else the close is on its way, and what it says is not to come second
                refuse_link(link, Refusal(NOT_ALLOWED, "The connection is not open."))
            return
        limit = self._side.chain.max_links
        if len(self._links) >= limit:
            refuse_link(link, Refusal(RESOURCE_LIMIT, f"A connection has at most {limit} links."))
            return
        try:
            made = self._attaching.attach(link)
        except ConnectorError as error:
            refuse_link(link, refusal_of(error))
            return
        self._links.put(link, made)
        made.start()

    def _detach(self, event: Any) -> None:
        link, for_good = event.link, event.type.name != "PN_LINK_REMOTE_DETACH"
        made = self._links.pop(link._impl)
        if made is not None:
            self._ended(made, for_good=for_good)
        if for_good:
            link.close()
        else:
            link.detach()
        link.free()  # else the session keeps it for as long as it lasts

    def _drop(self, link: Any, refusal: Refusal) -> None:
        """End a link from our side, and say why; the connection goes on."""
        made = self._links.pop(link._impl)
        if made is not None:
            self._ended(made)
            refuse(link, refusal)

    def _ended(self, made: Link, *, for_good: bool = False) -> None:
        made.close(for_good=for_good)
        if made.temporary is not None and self._side is not None:
            self._side.drop_temporary(made.temporary)
