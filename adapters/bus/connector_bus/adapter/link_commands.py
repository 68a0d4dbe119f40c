"""The links of a bus for whoever looks after them: listed, shown, stopped and started (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.spi import Message, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.engine.intake import check_paths
from connector_bus.links.route_follower import NO_PATH, Traveller
from connector_bus.links.stages import arrives, branches

#: Seconds that the batch under way gets when a link is stopped.
STOP_GRACE = 2.0


def links(bus: Bus) -> dict[str, Any]:
    """All links of the bus."""
    return {"bus": bus.name, "links": bus.links.shown()}


def link(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """One link. Raises NameNotFound CF-BUS-215."""
    return {"bus": bus.name, **bus.links.show(str(arguments.get("link")))}


def start(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Have a link send, or try at once where it waits after a failure. Raises NameNotFound CF-BUS-215."""
    sender = bus.links.sender(str(arguments.get("link")))
    sender.stop(STOP_GRACE)
    bus.links.stop_receiving(sender.to)
    sender.start()
    bus.links.start_receiving(sender.to)
    return link(arguments, bus)


def stop(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Have a link send nothing until it is started, or the container is. Blocks for the batch under way.

    Raises NameNotFound CF-BUS-215.
    """
    sender = bus.links.sender(str(arguments.get("link")))
    sender.stop(STOP_GRACE)
    bus.links.stop_receiving(sender.to)
    return link(arguments, bus)


def route(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Where a message of a user (argument user; nobody without it) to a destination would go: on each bus that can be
    reached whether the destination is there, whom it would be from, and whether they may send (BUS-15).

    Of the message may be given its topic, forward_path, reverse_path and reply_to. Blocks for the registry and the
    other buses. Raises AuthenticationFailed for a user who is not known, MessagingError CF-BUS-222.
    """
    user, name = arguments.get("user"), str(arguments.get("destination"))
    subject = Subject.unauthenticated() if user is None else bus.context.identity.assert_user(str(user))
    topic, reply_to = arguments.get("topic"), arguments.get("reply_to")
    message = Message(
        topic=None if topic is None else str(topic),
        reply_to=None if reply_to is None else str(reply_to),
        forward_path=tuple(map(str, arguments.get("forward_path") or ())),
        reverse_path=tuple(map(str, arguments.get("reverse_path") or ())),
    )
    check_paths(message)
    return told_route(bus, subject, name, message)


def told_route(bus: Bus, subject: Subject, name: str, message: Message = NO_PATH) -> dict[str, Any]:
    """A route as plain data. Blocks for the registry and the other buses."""
    stages = bus.links.explorer.explore(Traveller(name, subject, bus.access.identity_of(subject), message))
    return {
        "bus": bus.name,
        "destination": name,
        "arrives": arrives(stages),
        "branches": [{"branch": branch, "arrives": whether} for branch, whether in branches(stages).items()],
        "stages": [each.to_dict() for each in stages],
    }
