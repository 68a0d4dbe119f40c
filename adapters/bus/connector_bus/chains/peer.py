"""One client's connection in AMQP's terms: open, sessions, links, and what is refused (bus.md 3).

Not one link of a client that was refused something takes the others along: a refusal ends the link, and the text says
which of our codes it is. Names that are no text, and whatever else the library has against what came, end the
connection.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector.spi import Subject
from connector_bus.adapter.bus import Bus
from connector_bus.chains.browser import BrowserLink
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import NOT_ALLOWED, NOT_IMPLEMENTED, RESOURCE_LIMIT, Refusal, refusal_of
from connector_bus.chains.consumer import ConsumerLink
from connector_bus.chains.lane import Lane
from connector_bus.chains.lean import LeanDelivery, LeanLink
from connector_bus.chains.producer import ProducerLink
from connector_bus.policy.roles import Role
from connector_bus.selector.selector import Selector, parse_selector
from connector_bus.store.amqp_content import load_proton

NO_SOURCE = Reason(
    "CF-BUS-156", "a receiving link names no source", "Give the destination's name as the source address."
)

#: Links of one connection.
MAX_LINKS: Final = 1000
_SELECTORS: Final = frozenset({"apache.org:selector-filter:string", 0x0000468C00000004})


class Link(Protocol):
    """What sender, receiver and browser have in common."""

    temporary: str | None

    def start(self) -> None:
        """The link has been opened."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery."""

    def close(self) -> None:
        """The link is over."""


@final
class Peer:
    """One client. For the chain's loop only.

    Args:
        subject: Who is signed on.
        admit: Chooses the bus for a host name; raises ConnectorError.
        make_side: Makes the way to that bus.

    Mutable state: `_side`, set when the connection is open, `_refused` when it was not; `_links` by their place in the
    library.
    """

    def __init__(
        self,
        subject: Subject,
        admit: Callable[[str | None, Subject], Bus],
        make_side: Callable[[Bus, Subject], BusSide],
    ) -> None:
        self._connection: Any = None
        self._subject = subject
        self._admit = admit
        self._make_side = make_side
        self._side: BusSide | None = None
        self._refused = False
        # By the library's own pointers, with that of the session: its wrappers are made anew for each event.
        self._links: dict[Any, tuple[Any, Link]] = {}
        self._made: dict[Any, Link] = {}
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

    def on_delivery(self, link: Any, delivery: LeanDelivery) -> None:
        """Something came of a delivery on a link, which is the library's pointer."""
        made = self._made.get(link)
        if made is not None:
            made.on_delivery(delivery)

    def on_flow(self, link: Any) -> None:
        """Credit has changed on a link, which is the library's pointer."""
        made = self._made.get(link)
        if made is not None:
            made.on_flow()

    def end(self) -> None:
        """The connection is gone: what was out at the client goes back, its temporary queues go."""
        links, self._links, self._made = list(self._links.values()), {}, {}
        for _, link in links:
            link.close()
        if self._side is not None:
            self._side.close()

    # --- connection and sessions --------------------------------------------------------------------------------------

    def _open(self, event: Any) -> None:
        proton = load_proton()
        connection = self._connection
        try:
            bus = self._admit(connection.remote_hostname, self._subject)
        except ConnectorError as error:
            # Said with the open, so that clients don't take the connection for good before the close comes.
            connection.properties = proton.PropertyDict({proton.symbol("amqp:connection-establishment-failed"): True})
            connection.open()
            self._refused = True
            self._refuse(connection, refusal_of(error))
            return
        self._side = self._make_side(bus, self._subject)
        connection.offered_capabilities = proton.SymbolList(["ANONYMOUS-RELAY"])
        connection.properties = proton.PropertyDict({"product": "connector-framework", "bus": bus.name})
        connection.open()

    def _close(self, event: Any) -> None:
        self._connection.close()

    def _open_session(self, event: Any) -> None:
        event.session.open()

    def _close_session(self, event: Any) -> None:
        ended = event.session._impl
        for key in [key for key, (session, _) in self._links.items() if session == ended]:
            self._made.pop(key, None)
            self._links.pop(key)[1].close()
        event.session.close()

    # --- links --------------------------------------------------------------------------------------------------------

    def _attach(self, event: Any) -> None:
        link = LeanLink(event.link)
        if self._side is None:  # proton tells of links that come before the open has been answered
            if not self._refused:  # else the close is on its way, and what it says is not to come second
                self._refuse_link(link, Refusal(NOT_ALLOWED, "The connection is not open."))
            return
        if len(self._links) >= MAX_LINKS:
            self._refuse_link(link, Refusal(RESOURCE_LIMIT, f"A connection has at most {MAX_LINKS} links."))
            return
        try:
            made = self._receiving(link, self._side) if link.is_sender else self._sending(link, self._side)
        except ConnectorError as error:
            self._refuse_link(link, refusal_of(error))
            return
        if made is not None:
            opened: Link = made
            if isinstance(made, ProducerLink) and made.name is not None:
                opened = Lane(link, made, self._side, made.name)
            self._made[link._impl] = opened
            self._links[link._impl] = (link.session._impl, opened)
            opened.start()

    def _sending(self, link: Any, side: BusSide) -> Link | None:
        """The client wants to send: our side of the link is the receiver."""
        wanted = link.remote_target
        if wanted.type == wanted.COORDINATOR:
            self._refuse_link(link, Refusal(NOT_IMPLEMENTED, "Transactions over the wire are not offered yet."))
            return None
        name, temporary = wanted.address or None, None
        if wanted.dynamic:
            name = temporary = side.new_reply_queue()
        elif name is not None:
            side.may_send(name)
        link.source.copy(link.remote_source)
        link.target.copy(wanted)
        if temporary is not None:
            link.target.dynamic, link.target.address = True, temporary
        link.rcv_settle_mode = link.remote_rcv_settle_mode
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.open()
        return ProducerLink(link, side, name, temporary)

    def _receiving(self, link: Any, side: BusSide) -> Link | None:
        """The client wants to receive, or to look."""
        wanted = link.remote_source
        browses = wanted.distribution_mode == wanted.DIST_MODE_COPY
        selector, unknown = _selector_of(wanted)
        temporary = side.new_reply_queue() if wanted.dynamic else None
        name = temporary or wanted.address
        if not name:
            raise MessagingError(NO_SOURCE)
        destination = side.consumable(name, Role.BROWSER if browses else Role.RECEIVER)
        if selector is not None and not browses:
            text = "A selector on a link that takes messages is not offered yet; browse with it."
            self._refuse_link(link, Refusal(NOT_IMPLEMENTED, text))
            return None
        link.source.copy(wanted)
        if unknown:  # only what is applied is echoed
            link.source.filter.clear()
        if temporary is not None:
            link.source.dynamic, link.source.address = True, temporary
        link.target.copy(link.remote_target)
        presettled = link.remote_snd_settle_mode == link.SND_SETTLED
        link.snd_settle_mode = link.remote_snd_settle_mode
        link.open()
        if browses:
            return BrowserLink(link, side, destination, selector)
        return ConsumerLink(link, side, destination, presettled=presettled, temporary=temporary)

    def _detach(self, event: Any) -> None:
        link = event.link
        _, made = self._links.pop(link._impl, (None, None))
        self._made.pop(link._impl, None)
        if made is not None:
            made.close()
            if made.temporary is not None and self._side is not None:
                self._side.drop_reply_queue(made.temporary)
        link.close()
        link.free()  # else the session keeps it for as long as it lasts

    def _refuse_link(self, link: Any, refusal: Refusal) -> None:
        """Attach without a terminus and detach with the reason, both at once: else clients wait for the second."""
        link.source.type = link.target.type = link.source.UNSPECIFIED
        link.open()
        self._refuse(link, refusal)

    @staticmethod
    def _refuse(endpoint: Any, refusal: Refusal) -> None:
        endpoint.condition = load_proton().Condition(refusal.condition, refusal.description)
        endpoint.close()


def _selector_of(source: Any) -> tuple[Selector | None, bool]:
    """The selector among a source's filters, and whether there are others. Raises MessagingError CF-BUS-170."""
    data = source.filter
    data.rewind()
    if not data.next():
        return None, False
    filters = data.get_object()
    if not isinstance(filters, dict):
        return None, True
    selector, unknown = None, False
    for value in filters.values():
        descriptor = getattr(value, "descriptor", None)
        text = getattr(value, "value", None)
        known = isinstance(text, str) and (descriptor in _SELECTORS or str(descriptor) in _SELECTORS)
        if known:
            selector = parse_selector(str(text))
        unknown = unknown or not known
    return selector, unknown
