"""Links on topic spaces: what a client asks for, and the time until its subscription is open (JMS 2.0, chapter 8).

=====================================  =============================================================
the receiving link                     the subscription
=====================================  =============================================================
as it is                               the link's own; gone with it
source `durable`, expiry `never`       durable, named CONTAINER:LINK; gathers while the link is away
capability `shared`                    shared by links of that name
capability `global`                    named LINK alone: not the container's own
=====================================  =============================================================

With the filter no-local a subscription that isn't shared is without what its own client publishes: the same connection,
of a durable one the same client id of the same user. Who published is known as long as a publication has not been
anywhere else: behind a mediation, or from another bus, it comes.

Of the link's name counts what comes before the first `|`. Detached, a durable subscription stays; closed, it goes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, final

from connector_bus.engine.subscription import OpenSubscription
from connector_bus.engine.terms import Terms

#: What stands between the topic space and the topic in an address.
SEPARATOR: Final = "/"
_NOT_DURABLE: Final = 0
Opened = Callable[["Opening", OpenSubscription | None, BaseException | None], None]


def capabilities_of(terminus: Any) -> frozenset[str]:
    """The capabilities that a client gives a terminus."""
    data = terminus.capabilities
    data.rewind()
    found = data.get_object() if data.next() else None
    if found is None:
        return frozenset()
    elements = getattr(found, "elements", None)
    if elements is None:
        elements = found if isinstance(found, list | tuple) else (found,)
    return frozenset(str(each) for each in elements)


def prefix_of(terminus: Any) -> str | None:
    """The prefix that a client wants for a dynamic node; None without one."""
    data = terminus.properties
    data.rewind()
    found = data.get_object() if data.next() else None
    prefix = found.get("x-opt-prefix") if isinstance(found, dict) else None
    return str(prefix) if isinstance(prefix, str) else None


def is_durable(source: Any) -> bool:
    """Whether a subscription is to outlive its link."""
    return int(source.durability) != _NOT_DURABLE


def subscription_name(link_name: str, container: str, capabilities: frozenset[str]) -> str:
    """The name of a subscription on the bus."""
    name = link_name.partition("|")[0]
    return name if "global" in capabilities else f"{container}:{name}"


def names_of_publisher(connection: str, user: str, container: str) -> tuple[str, str]:
    """The names that a client publishes by: what its connection is known by, and its client id with its user."""
    return f"connection {connection}", f"client {user}/{container}"


def terms_of(
    source: Any,
    link_name: str,
    container: str,
    topic: str | None,
    selector: str | None,
    publishers: tuple[str, ...] | None = None,
) -> Terms:
    """What a client wants to subscribe to; with the names that it publishes by where it wants to be without that."""
    capabilities = capabilities_of(source)
    durable, shared = is_durable(source), "shared" in capabilities
    name = subscription_name(link_name, container, capabilities) if durable or shared else None
    no_local = None
    if publishers is not None and not shared:
        # A durable one is the client id's, whichever connection uses it; any other one the connection's (JMS 2.0, 8.3).
        no_local = publishers[1 if durable else 0]
    return Terms(topic or "#", name, durable, shared, selector, no_local)


@final
class Opening:
    """A link whose subscription is being opened. For the chain's loop only.

    Args:
        link: The library's link, not open yet.
        terms: What was asked for.
        opened: Told when it is open, or why it isn't.

    Mutable state: `closed`, whether the link is gone already.
    """

    temporary: str | None = None
    in_flight = 0

    def __init__(self, link: Any, terms: Terms, opened: Opened) -> None:
        self.link = link
        self.terms = terms
        self._opened = opened
        self.closed = False

    def start(self) -> None:
        """It has begun already."""

    def on_flow(self) -> None:
        """Credit is looked at when it is open."""

    def on_delivery(self, delivery: Any) -> None:
        """There are none."""

    def recheck(self) -> None:
        """Rights are looked at when it opens."""

    def stop(self) -> None:
        """It is closed with its connection."""

    def close(self, *, for_good: bool = False) -> None:
        """The link is gone before it was open."""
        self.closed = True

    def done(self, subscription: OpenSubscription | None, error: BaseException | None) -> None:
        """On the loop: it is open, or could not be opened."""
        self._opened(self, subscription, error)


@final
class Dormant:
    """A link on a durable subscription that its client names to delete it, without a source: it goes when it is closed.

    Args:
        link: The library's link, open.
        delete: Deletes the subscription.
    """

    temporary: str | None = None
    in_flight = 0

    def __init__(self, link: Any, delete: Callable[[], None]) -> None:
        self.link = link
        self._delete = delete

    def start(self) -> None:
        """There is nothing to begin."""

    def on_flow(self) -> None:
        """Nothing comes over it."""

    def on_delivery(self, delivery: Any) -> None:
        """Nothing comes over it."""

    def recheck(self) -> None:
        """Only the owner can delete it, and is asked then."""

    def stop(self) -> None:
        """There is nothing to stop."""

    def close(self, *, for_good: bool = False) -> None:
        """Closed, the subscription goes; only detached, it stays."""
        if for_good:
            self._delete()
