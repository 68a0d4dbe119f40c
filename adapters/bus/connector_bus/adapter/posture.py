"""What `connector check` says of the policies of the buses (CONF-4, BUS-3, BUS-13)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from connector.errors import Reason
from connector.spi import PostureFinding
from connector_bus.adapter.assignment_reader import is_known
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.engine.security_state import SecurityState
from connector_bus.policy.definition import AliasCheck, PolicyDefinition
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


def findings(buses: Iterable[Bus]) -> Iterator[PostureFinding]:
    """All findings; blocks for the registry where a bus is secured."""
    for bus in buses:
        place = f"buses.{key(bus.name)}"
        if bus.access.state is SecurityState.INCONSISTENT:
            yield PostureFinding("error", SECURITY_WITHOUT_EFFECT, f"{place}.security", {"bus": bus.name})
        elif bus.access.state is SecurityState.DISABLED:
            yield PostureFinding("warning", NOT_SECURED, f"{place}.security", {"bus": bus.name})
        else:
            yield from _vanished(bus, place)
        yield from _idle(bus.access.policy.definition, place)


def _vanished(bus: Bus, place: str) -> Iterator[PostureFinding]:
    identity = bus.context.identity
    known = {}
    for each in assignments(bus.access.policy.definition):
        if each.holder not in known:
            known[each.holder] = is_known(each.holder, identity)
        if not known[each.holder]:
            yield PostureFinding("warning", HOLDER_VANISHED, place, _details(bus, each, identity.realm))


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
