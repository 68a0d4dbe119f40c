"""What somebody wants to subscribe to, and why it may not be (BUS-6)."""

from __future__ import annotations

import dataclasses
from typing import Final

from connector.errors import MessagingError, Reason
from connector_bus.engine.topic_pattern import TopicPattern
from connector_bus.store.subscription import StoredSubscription

NO_TOPIC_SPACE = Reason(
    "CF-BUS-185",
    "nothing can be subscribed to at {destination} on bus {bus}: it is of type {kind}",
    "Subscribe to a topic space; receive from a queue.",
)
NOT_THE_OWNER = Reason(
    "CF-BUS-186",
    "{user} may not use subscription {subscription} on bus {bus}: somebody else made it",
    "Only the user who made a subscription uses it; choose another name.",
)
NOT_THE_DELETER = Reason(
    "CF-BUS-187",
    "{user} may not delete subscription {subscription} on bus {bus}: somebody else made it",
    "Have the user who made it, or an operator, delete it.",
)
NAME_NEEDED = Reason(
    "CF-BUS-188",
    "a durable or shared subscription of {destination} on bus {bus} needs a name, and no temporary topic has one",
    "Give it a name of its own on the bus.",
)
OTHER_TERMS = Reason(
    "CF-BUS-189",
    "subscription {subscription} on bus {bus} is there already, with another {differs}",
    "Use it as it was made, delete it first, or choose another name.",
)
IN_USE = Reason(
    "CF-BUS-190",
    "subscription {subscription} on bus {bus} is in use",
    "Close its consumer first; several consumers need a shared one.",
)
SUBSCRIPTION_UNKNOWN = Reason(
    "CF-BUS-191",
    "bus {bus} has no subscription {subscription}",
    "See `connector bus subscriptions list {bus}`.",
)
TEMPORARY_PRIVATE = Reason(
    "CF-BUS-192",
    "{destination} on bus {bus} is the temporary topic of another connection",
    "Only the connection that made a temporary topic subscribes to it.",
)

#: What two uses of one name have to agree in.
_TERMS: Final = ("space", "pattern", "selector", "durable", "shared", "no_local")


@dataclasses.dataclass(frozen=True, slots=True)
class Terms:
    """What somebody wants to subscribe to.

    Attributes:
        topic: The topics, as a pattern.
        name: The name of the subscription, unique on the bus; None for one of the consumer's own.
        durable: Whether it outlives its consumers.
        shared: Whether several consumers may share it.
        selector: Which messages; None for all.
        no_local: By which name whoever wants it publishes, to be without that; None for everything.
    """

    topic: str = "#"
    name: str | None = None
    durable: bool = False
    shared: bool = False
    selector: str | None = None
    no_local: str | None = None


def require_same(bus: str, record: StoredSubscription, space: str, pattern: TopicPattern, terms: Terms) -> None:
    """Pass where somebody wants what a subscription is. Pure; `terms.selector` is in its canonical form.

    Raises MessagingError CF-BUS-189.
    """
    wanted = (space, pattern.text, terms.selector, terms.durable, terms.shared, terms.no_local)
    for term, value in zip(_TERMS, wanted, strict=True):
        if getattr(record, term) != value:
            raise MessagingError(OTHER_TERMS, subscription=record.name, bus=bus, differs=term)
