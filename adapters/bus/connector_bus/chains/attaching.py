"""What becomes of a link that a client opens: sender, receiver, browser, subscriber, or the one for transactions."""

from __future__ import annotations

from typing import Any, Final, final

from connector.errors import MessagingError, Reason
from connector_bus.chains.browser import BrowserLink
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import refusal_of
from connector_bus.chains.consumer import ConsumerLink
from connector_bus.chains.coordinator import CoordinatorLink
from connector_bus.chains.filters import Filters, filters_for, filters_of
from connector_bus.chains.lane import Lane
from connector_bus.chains.link import Link
from connector_bus.chains.link_table import LinkTable
from connector_bus.chains.producer import ProducerLink
from connector_bus.chains.refusing import refuse_link
from connector_bus.chains.subscriptions import (
    SEPARATOR,
    Dormant,
    Opening,
    capabilities_of,
    prefix_of,
    subscription_name,
    terms_of,
)
from connector_bus.chains.units import Units
from connector_bus.chains.welcome import text_property
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.policy.roles import Role

NO_SOURCE = Reason(
    "CF-BUS-156", "a receiving link names no source", "Give the destination's name as the source address."
)

#: The property of open by which a client gives its temporary queues and topics a prefix, where no link says so itself.
TEMPORARY_PREFIX: Final = "temp-prefix"


@final
class Attaching:
    """Opens the links of one connection. For the chain's loop only.

    Args:
        connection: The library's.
        side: The bus.
        units: The connection's transactions.
        links: Where a link is that was made later than it was asked for.
    """

    def __init__(self, connection: Any, side: BusSide, units: Units, links: LinkTable) -> None:
        self._connection = connection
        self._side = side
        self._units = units
        self._links = links

    def attach(self, link: Any) -> Link:
        """Open our side of a link as the client's asks for. Does not block.

        Raises ConnectorError for a refusal, ValueError for a link without a name, which no client may have.
        """
        if link.name is None:
            raise ValueError("a link without a name")
        return self._receiving(link) if link.is_sender else self._sending(link)

    def _sending(self, link: Any) -> Link:
        """The client wants to send: our side of the link is the receiver."""
        wanted, side = link.remote_target, self._side
        if wanted.type == wanted.COORDINATOR:
            link.source.copy(link.remote_source)
            link.target.copy(wanted)
            link.open()
            return CoordinatorLink(link, self._units)
        name, temporary, topic = wanted.address or None, None, None
        if wanted.dynamic:
            name = temporary = self._temporary(wanted)
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
        made = ProducerLink(link, side, self._units, name, temporary, topic)
        return made if name is None or side.is_topic_space(name) else Lane(link, made, side, name)

    def _receiving(self, link: Any) -> Link:
        """The client wants to receive, or to look."""
        wanted, side = link.remote_source, self._side
        browses = wanted.distribution_mode == wanted.DIST_MODE_COPY
        filters = filters_of(wanted)
        if wanted.type == wanted.UNSPECIFIED:
            return self._dormant(link)
        temporary = self._temporary(wanted) if wanted.dynamic else None
        address = temporary or wanted.address
        if not address:
            raise MessagingError(NO_SOURCE)
        name, topic = side.place_of(address)
        if side.is_topic_space(name):
            return self._subscribing(link, name, topic, filters, temporary)
        destination = side.consumable(name, Role.BROWSER if browses else Role.RECEIVER)
        selector = filters.selector()
        presettled = self._echo(link, filters.applied(no_local=False), temporary)
        if browses:
            return BrowserLink(link, side, destination, selector)
        return ConsumerLink(
            link, side, self._units, destination, presettled=presettled, selector=selector, temporary=temporary
        )

    def _temporary(self, terminus: Any) -> str:
        """Make the node of a dynamic terminus. Raises AccessDenied CF-BUS-122."""
        wants_topic = "temporary-topic" in capabilities_of(terminus)
        prefix = prefix_of(terminus) or text_property(self._connection, TEMPORARY_PREFIX)
        return self._side.new_temporary(prefix, is_topic_space=wants_topic)

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
        name: str,
        topic: str | None,
        filters: Filters,
        temporary: str | None,
    ) -> Link:
        """The client wants to subscribe; that may take its time."""
        side, links = self._side, self._links
        container = self._connection.remote_container or ""
        publishers = side.publishers if filters.no_local else None
        terms = terms_of(link.remote_source, link.name, container, topic, filters.text, publishers)
        applied = filters.applied(no_local=terms.no_local is not None)

        def opened(opening: Opening, subscription: OpenSubscription | None, error: BaseException | None) -> None:
            if opening.closed or subscription is None:
                if subscription is not None:
                    side.unsubscribe(subscription, None)
                elif error is not None and not opening.closed:
                    links.pop(link._impl)
                    refuse_link(link, refusal_of(error))
                return
            presettled = self._echo(link, applied, temporary)
            made = ConsumerLink(
                link,
                side,
                self._units,
                subscription.destination,
                presettled=presettled,
                temporary=temporary,
                subscription=subscription,
            )
            links.put(link, made)
            made.start()
            made.on_flow()

        opening = Opening(link, terms, opened)
        side.apart(lambda: side.subscribe(name, terms), opening.done)
        return opening

    def _dormant(self, link: Any) -> Link:
        """The client names a durable subscription without a source: it wants to delete it.

        What stands against that is told now: of what goes wrong when the link is closed the client hears nothing.
        """
        side, container = self._side, self._connection.remote_container or ""
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
