"""What `connector check` says of the users of links: whoever shares one can be taken for the other (CONF-4, BUS-14)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from connector.errors import ConnectorError, Reason
from connector.spi import PostureFinding
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.policy.holders import HolderKind
from connector_bus.settings import LinkSettings, LinkTransport

LINKS_SHARE = Reason(
    "CF-BUS-536",
    "{user} signs on the link of bus {bus} with {foreign_bus}, and that of bus {other_bus} with {other}: "
    "each of the two could pose as the other",
    "Give each link a user of its own, and an alias for it.",
)
LINK_CONNECTS = Reason(
    "CF-BUS-537",
    "{user}, who signs on the link of bus {bus} with {foreign_bus}, is in its connector role by {holder}: "
    "a client who is that user could pose as bus {foreign_bus}, and send in the name of anybody there",
    "Take the user out of the role, or give the link a user of its own, who needs no role.",
)
BROKER_KNOWS = Reason(
    "CF-BUS-538",
    "alias {alias} signs on at the broker {other} and the link of bus {bus} with {foreign_bus}: "
    "a broker that is told the password could pose as bus {foreign_bus}",
    "Give the broker an alias of its own, with another password.",
)


@dataclass(frozen=True, slots=True)
class _Signed:
    """One link that another process signs on to."""

    bus: Bus
    peer: str
    user: str
    place: str


def link_user_findings(buses: Iterable[Bus]) -> Iterator[PostureFinding]:
    """All findings. Blocks for authentication data, and for the registry where a link's user could be a client's."""
    known: dict[str, _Signed] = {}
    by_alias: dict[str, _Signed] = {}
    brokers: list[tuple[str, str, str]] = []
    for bus in buses:
        for peer, way in bus.settings.ways.items():
            place = f"buses.{key(bus.name)}.foreign_buses.{key(peer)}.link"
            link = way.link
            if link is None or not bus.access.active or link.transport is LinkTransport.IN_PROCESS:
                continue  # in one process nobody signs on over a wire, and nobody poses as anybody
            if link.transport is LinkTransport.AMQP:
                brokers += [] if link.alias is None else [(link.alias, peer, f"{place}.alias")]
                continue
            user = _user_of(bus, link)
            if user is None:
                continue
            one = _Signed(bus, peer, user, f"{place}.{'alias' if link.alias is not None else 'certificate_user'}")
            yield from _shared(one, known.setdefault(user, one))
            yield from _as_client(one)
            if link.alias is not None:
                by_alias.setdefault(link.alias, one)
    for alias, broker, place in brokers:
        if alias in by_alias:
            of = by_alias[alias]
            details = {"alias": alias, "other": broker, "bus": of.bus.name, "foreign_bus": of.peer}
            yield PostureFinding("warning", BROKER_KNOWS, place, details)


def _user_of(bus: Bus, link: LinkSettings) -> str | None:
    """Whom the other end has to be; None where nobody says, or it can't be read, which the link itself reports."""
    if link.alias is None:
        return link.certificate_user
    with suppress(ConnectorError):
        return bus.context.authentication_data(link.alias).user
    return None


def _shared(one: _Signed, first: _Signed) -> Iterator[PostureFinding]:
    # Two buses of this container with links to the same bus: it poses as nobody but itself.
    if first is not one and first.peer != one.peer:
        details = {
            "user": one.user,
            "bus": one.bus.name,
            "foreign_bus": one.peer,
            "other_bus": first.bus.name,
            "other": first.peer,
        }
        yield PostureFinding("warning", LINKS_SHARE, one.place, details)


def _as_client(one: _Signed) -> Iterator[PostureFinding]:
    """By name or group; that everybody who is authenticated may connect is told of as such."""
    groups = one.bus.context.identity.groups_of(one.user)
    for holder in one.bus.access.policy.definition.connectors:
        if (holder.kind is HolderKind.USER and holder.name == one.user) or (
            holder.kind is HolderKind.GROUP and holder.name in groups
        ):
            details = {"user": one.user, "bus": one.bus.name, "foreign_bus": one.peer, "holder": str(holder)}
            yield PostureFinding("warning", LINK_CONNECTS, one.place, details)
