"""What `connector check` says of exception destinations that others than administrators may read (BUS-11, CONF-4)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.errors import Reason
from connector.spi import PostureFinding
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, Holder
from connector_bus.policy.roles import Role
from connector_bus.settings import NO_EXCEPTION_DESTINATION, BusSettings

FAILURES_READABLE = Reason(
    "CF-BUS-406",
    "messages that fail on bus {bus} are kept in {destination}, where {holders} may {roles}: whoever sent them to a "
    "destination of a few has them read by others",
    "Switch its inheritance off (`connector bus inherit off {bus} {destination}`), or give its roles to those who look "
    "after failed messages.",
)
#: What reads messages, and how that is called.
_READING = {Role.RECEIVER: "receive", Role.BROWSER: "browse"}


def exception_findings(bus: Bus, place: str) -> Iterator[PostureFinding]:
    """The exception destinations of a bus that all, or whoever inherits the default roles, may read. Does not block.

    The one that a bus has by itself inherits nothing; one that a deployer names is like any other queue.

    Args:
        bus: The bus; its security is in force.
        place: The key path of its table.
    """
    policy = bus.access.policy
    for name in sorted(_exception_destinations(bus.settings)):
        end = policy.path(name).end
        if not isinstance(end, str):
            continue
        grants = policy.definition.resources[end]
        readers: set[Holder] = set()
        roles = []
        for role, word in _READING.items():
            wide = policy.own(grants, role) & {EVERYONE, ALL_AUTHENTICATED}
            found = policy.inherited(grants, role) | wide
            readers |= found
            roles += [word] if found else []
        if readers:
            holders = ", ".join(sorted(map(str, readers)))
            details = {"bus": bus.name, "destination": end, "holders": holders, "roles": " and ".join(roles)}
            yield PostureFinding("warning", FAILURES_READABLE, f"{place}.destinations.{key(end)}", details)


def _exception_destinations(settings: BusSettings) -> set[str]:
    """All that are named: by the bus, by destinations, by links."""
    named = {each.exception_destination for each in settings.destinations.values()}
    named |= {way.link.exception_destination for way in settings.ways.values() if way.link is not None}
    return {name for name in (*named, settings.exception_destination) if name and name != NO_EXCEPTION_DESTINATION}
