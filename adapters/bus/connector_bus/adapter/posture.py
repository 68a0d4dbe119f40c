"""What `connector check` says of the policies of the buses (CONF-4, BUS-3, BUS-13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal
from urllib.parse import urlsplit

from connector.errors import Reason
from connector.spi import PostureFinding
from connector_bus.adapter.assignment_reader import is_known
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.adapter.posture_chains import stays_here
from connector_bus.adapter.posture_exceptions import exception_findings
from connector_bus.adapter.posture_links import link_user_findings
from connector_bus.adapter.posture_roles import role_findings
from connector_bus.adapter.posture_routes import route_findings
from connector_bus.engine.security_state import SecurityState
from connector_bus.policy.definition import AliasCheck, PolicyDefinition
from connector_bus.policy.holders import Holder, HolderKind
from connector_bus.policy.place import Assignment, assignments

SECURITY_WITHOUT_EFFECT = Reason(
    "CF-BUS-130",
    "the security of bus {bus} has no effect, since administrative security is off: no role is checked",
    "Set security = true in [container], or security = false on the bus, if it is meant to be open.",
)
NOT_SECURED = Reason(
    "CF-BUS-131",
    "bus {bus} is not secured: no role is checked, messages carry no identity",
    'Set security = true in [buses."{bus}"].',
)
HOLDER_VANISHED = Reason(
    "CF-BUS-132",
    "{holder} holds {role} on {place} of bus {bus}, and realm {realm} no longer knows it",
    "Take the assignment back, or somebody who is given that name will have it; or assign it to a unique name.",
)
ALIAS_ROLES_IDLE = Reason(
    "CF-BUS-133",
    "the roles of alias {alias} on bus {bus} are without effect: it checks its target only",
    "Take them away, or set check to both or alias.",
)
TOPIC_ROLES_IDLE = Reason(
    "CF-BUS-134",
    "the roles on topics of {space} on bus {bus} are without effect: topics are not checked there",
    "Take them away, or set topic_checks = true.",
)

NO_WAY_THERE = Reason(
    "CF-BUS-250",
    "bus {bus} knows bus {foreign_bus} and has no link to it: what is sent there is refused",
    "Give the foreign bus a link, or `via`, the bus that passes messages on to it.",
)
LINK_OPEN = Reason(
    "CF-BUS-251",
    "the link of bus {bus} with bus {foreign_bus} has no authentication alias: it believes no identity",
    "Give both ends an alias, with the same user.",
)
OUTBOUND_OPEN = Reason(
    "CF-BUS-252",
    "bus {bus} is not secured, and all that it sends to bus {foreign_bus} goes as {user}, whoever has sent it",
    "Secure the bus, or take outbound_user away.",
)
LINK_PLAIN = Reason(
    "CF-BUS-452",
    "the link of bus {bus} with bus {foreign_bus} goes and comes in plain text: it can be read and changed on the way",
    "Name a chain with TLS and a TLS configuration, and take allow_plain away.",
)
PASSWORD_OPEN = Reason(
    "CF-BUS-253",
    "port {port} of bus {bus} signs on at {host} without TLS: its password can be read on the way",
    "Use https.",
)


ENGINE_CONNECTS = Reason(
    "CF-BUS-458",
    "{user}, whom the engines of bus {bus} sign on to each other as, is in its connector role by {holder}",
    "Take the user out of the role, or give the inter-engine alias a user of its own: it is refused as a client.",
)
ENGINES_OPEN = Reason(
    "CF-BUS-459",
    "bus {bus} has a store that engines share, and no inter_engine_alias: whoever reaches the store is one of them",
    "Give each container of the bus the same inter_engine_alias.",
)


def findings(buses: Iterable[Bus]) -> Iterator[PostureFinding]:
    """All findings. Blocks for the registry where a bus is secured, and for the buses at the other ends of links."""
    here = {bus.name: bus for bus in buses}
    for bus in here.values():
        place = f"buses.{key(bus.name)}"
        if bus.access.state is SecurityState.INCONSISTENT:
            yield PostureFinding("error", SECURITY_WITHOUT_EFFECT, f"{place}.security", {"bus": bus.name})
        elif bus.access.state is SecurityState.DISABLED:
            yield PostureFinding("warning", NOT_SECURED, f"{place}.security", {"bus": bus.name})
        else:
            vanished = _vanished(bus)
            for each in assignments(bus.access.policy.definition):
                if each.holder in vanished:
                    details = _details(bus, each, bus.context.identity.realm)
                    yield PostureFinding("warning", HOLDER_VANISHED, place, details)
            yield from role_findings(bus, place, vanished)
            yield from exception_findings(bus, place)
        yield from _engines(bus, place)
        yield from _idle(bus.access.policy.definition, place)
        yield from _links(bus, place)
        yield from _ports(bus, place)
        yield from route_findings(bus, here, place)
    yield from link_user_findings(here.values())


def _engines(bus: Bus, place: str) -> Iterator[PostureFinding]:
    """Whether engines know each other, and whether anybody else could be taken for one."""
    if bus.settings.store is not None and bus.settings.inter_engine_alias is None and bus.access.active:
        yield PostureFinding("warning", ENGINES_OPEN, f"{place}.inter_engine_alias", {"bus": bus.name})
    user = bus.access.engine_user
    if user is None:
        return
    groups = bus.context.identity.groups_of(user)
    for holder in bus.access.policy.definition.connectors:
        if (holder.kind is HolderKind.USER and holder.name == user) or (
            holder.kind is HolderKind.GROUP and holder.name in groups
        ):
            details = {"user": user, "bus": bus.name, "holder": str(holder)}
            yield PostureFinding("warning", ENGINE_CONNECTS, f"{place}.roles.connector", details)


def _vanished(bus: Bus) -> frozenset[Holder]:
    """The holders whom the registry no longer knows."""
    holders = {each.holder for each in assignments(bus.access.policy.definition)}
    return frozenset(holder for holder in holders if not is_known(holder, bus.context.identity))


def _details(bus: Bus, each: Assignment, realm: str) -> dict[str, str]:
    return {
        "holder": str(each.holder),
        "role": str(each.role),
        "place": str(each.place),
        "bus": bus.name,
        "realm": realm,
    }


def _idle(definition: PolicyDefinition, place: str) -> Iterator[PostureFinding]:
    """Assignments that can't have any effect."""
    for name, grants in definition.resources.items():
        where = f"{place}.destinations.{key(name)}"
        if grants.alias is not None and grants.alias.check is AliasCheck.TARGET and any(grants.roles.values()):
            details = {"alias": name, "bus": definition.bus}
            yield PostureFinding("warning", ALIAS_ROLES_IDLE, f"{where}.roles", details)
        tree = grants.topics
        if not tree.checked and any(holders for each in tree.topics.values() for holders in each.roles.values()):
            details = {"space": name, "bus": definition.bus}
            yield PostureFinding("warning", TOPIC_ROLES_IDLE, f"{where}.topics", details)


def _links(bus: Bus, place: str) -> Iterator[PostureFinding]:
    """Ways to other buses that lead nowhere, or that nobody guards."""
    for name, way in bus.settings.ways.items():
        where, details = f"{place}.foreign_buses.{key(name)}", {"bus": bus.name, "foreign_bus": name}
        if way.link is None:
            if way.via is None:
                yield PostureFinding("warning", NO_WAY_THERE, where, details)
            continue
        if way.link.alias is None and way.link.certificate_user is None:
            yield PostureFinding("warning", LINK_OPEN, f"{where}.link.alias", details)
        if way.link.allow_plain:
            hosts = {host for host, _ in way.link.endpoints}
            severity: Literal["note", "warning"] = "note" if hosts and all(map(stays_here, hosts)) else "warning"
            yield PostureFinding(severity, LINK_PLAIN, f"{where}.link.allow_plain", details)
        if way.link.outbound_user is not None and not bus.access.active:
            user = {**details, "user": way.link.outbound_user}
            yield PostureFinding("warning", OUTBOUND_OPEN, f"{where}.link.outbound_user", user)


def _ports(bus: Bus, place: str) -> Iterator[PostureFinding]:
    for name, each in bus.settings.destinations.items():
        if each.port is None or each.port.alias is None:
            continue
        parts = urlsplit(each.port.url)
        if parts.scheme == "http" and parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            details = {"port": name, "bus": bus.name, "host": parts.hostname}
            yield PostureFinding("warning", PASSWORD_OPEN, f"{place}.destinations.{key(name)}.port.url", details)
