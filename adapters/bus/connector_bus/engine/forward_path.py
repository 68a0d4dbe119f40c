"""The destinations that a message passes on its way, and how far it gets in one go (BUS-8). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from connector.errors import MessagingError, Reason
from connector.spi import Message
from connector_bus.engine.route import Route
from connector_bus.policy.roles import ResourceType

TOO_MANY_HOPS = Reason(
    "CF-BUS-043",
    "a message was routed through more than {limit} destinations of bus {bus}",
    "Look for mediations that send messages round in a circle.",
)
PATH_ENDS = Reason(
    "CF-BUS-221",
    "{destination} on bus {bus} is of type {kind}, and the path of the message goes on after it",
    "Only queues are passed through; put what is of another type at the end of the path.",
)

#: More destinations than this in the path of one message are taken for a circle.
HOP_LIMIT: Final = 32


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a message rests next.

    Attributes:
        route: Where that is.
        name: The name that it has.
        message: The message, with what is left of its path.
        passed: How many destinations it has passed.
    """

    route: Route
    name: str
    message: Message
    passed: int


def follow(
    bus: str,
    name: str,
    message: Message,
    admitted: Callable[[str], Route],
    is_mediated: Callable[[Route], bool],
) -> Arrival:
    """Go along a message's path, through plain queues, to a mediated one, to another bus, or to its end.

    Args:
        bus: This bus.
        name: The first destination.
        message: The message with its path.
        admitted: Where a name leads, if the identity in the message may send there; raises if it may not.
        is_mediated: Whether mediations are to see what goes there.

    Raises what `admitted` raises, MessagingError CF-BUS-043 for a path without end, CF-BUS-221 for one that goes on
    where nothing can.
    """
    for passed in range(HOP_LIMIT):
        route = admitted(name)
        if not message.forward_path or route.bus is not None or is_mediated(route):
            return Arrival(route, name, message, passed)
        if route.kind is not ResourceType.QUEUE:
            raise MessagingError(PATH_ENDS, destination=name, bus=bus, kind=str(route.kind))
        name, *rest = message.forward_path
        message = message.replace(forward_path=tuple(rest))
    raise MessagingError(TOO_MANY_HOPS, bus=bus, limit=HOP_LIMIT)


def way_back(request: Message) -> tuple[str, tuple[str, ...]] | None:
    """Where a reply goes first, and its path from there: the request's reverse path, then its `reply_to`; None where
    no reply is wanted.
    """
    stops = (*request.reverse_path, *(() if request.reply_to is None else (request.reply_to,)))
    return (stops[0], stops[1:]) if stops else None
