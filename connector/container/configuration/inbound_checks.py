"""Checking `[realms.NAME.inbound_maps]`: what can be told of a map without asking a registry (FLOW-3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.model import InboundMapSection
from connector.container.configuration.problems import ProblemCollector
from connector.errors import Reason
from connector.security.inbound_map import ANY_USER, InboundMap, Unmapped

MAP_OF_OWN_REALM = Reason(
    "CF-CONF-090",
    "an inbound map of the realm {realm!r} for its own callers",
    "Name the foreign realm: the realm's own callers are who they are.",
)
MAP_TO_NOBODY = Reason("CF-CONF-091", "no name to translate {name!r} to", "Name a user or group of realm {realm}.")
GROUPS_FOR_ALL = Reason(
    "CF-CONF-092",
    "the group '*': whatever the foreign realm calls a group would become {target!r}",
    "Name the foreign groups one by one.",
)
MAP_EMPTY = Reason(
    "CF-CONF-093",
    "an inbound map without users, which refuses every caller as no map would",
    "Add the foreign users, or remove the map.",
)


def check_inbound_maps(
    sections: Mapping[str, InboundMapSection], realm: str, path: KeyPath, problems: ProblemCollector
) -> Mapping[str, InboundMap]:
    """The inbound maps of one realm, by foreign realm; notes what is wrong with them. Does not block.

    Whether the users and groups that they lead to exist is for `connector check` to say: it asks the registry.
    """
    made = {}
    for foreign, section in sections.items():
        place = (*path, "inbound_maps", foreign)
        if foreign == realm:
            problems.add(MAP_OF_OWN_REALM, place, allowed="a foreign realm", realm=realm)
        for kind, names in (("users", section.users), ("groups", section.groups)):
            for name, target in names.items():
                if not target or not name:
                    where = (*place, kind, name)
                    problems.add(MAP_TO_NOBODY, where, allowed="a name", name=name, realm=realm)
        if ANY_USER in section.groups:
            where = (*place, "groups", ANY_USER)
            problems.add(GROUPS_FOR_ALL, where, allowed="names of groups", target=section.groups[ANY_USER])
        if not section.users and section.unmapped == Unmapped.REFUSE.value:
            problems.warn(MAP_EMPTY, place, allowed="users")
        made[foreign] = InboundMap(foreign, section.users, section.groups, Unmapped(section.unmapped))
    return MappingProxyType(made)
