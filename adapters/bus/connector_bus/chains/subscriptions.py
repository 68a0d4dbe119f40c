"""Links on topic spaces: what a client asks for, and the time until its subscription is open (JMS 2.0, chapter 8).

=====================================  =============================================================
the receiving link                     the subscription
=====================================  =============================================================
as it is                               the link's own; gone with it
source `durable`, expiry `never`       durable, named CONTAINER:LINK; gathers while the link is away
capability `shared`                    shared by links of that name
capability `global`                    named LINK alone: not the container's own
=====================================  =============================================================

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


def terms_of(source: Any, link_name: str, container: str, topic: str | None, selector: str | None) -> Terms:
    """What a client wants to subscribe to."""
    capabilities = capabilities_of(source)
    durable, shared = is_durable(source), "shared" in capabilities
    name = subscription_name(link_name, container, capabilities) if durable or shared else None
    return Terms(topic or "#", name, durable, shared, selector)


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
