"""Destinations of all types as the configuration writes them (BUS-1, BUS-5, BUS-6, BUS-9, BUS-13)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final, final

from connector.errors import MessagingError, Reason
from connector_bus.adapter.assignment_reader import AssignmentReader
from connector_bus.adapter.port_reader import read_port
from connector_bus.policy.alias_path import alias_path
from connector_bus.policy.definition import (
    TOPIC_ROLES,
    AliasCheck,
    AliasTarget,
    ForeignAddress,
    ResourceGrants,
    TopicGrants,
    TopicTree,
)
from connector_bus.policy.roles import DESTINATION_TYPES, ResourceType
from connector_bus.policy.topics import is_topic
from connector_bus.reliability import Reliability
from connector_bus.selector.selector import parse_selector
from connector_bus.settings import (
    LINK_PREFIX,
    MAX_MESSAGE_SIZE,
    SEND_TIMEOUT,
    SUBSCRIPTION_PREFIX,
    TEMPORARY_PREFIX,
    DestinationSettings,
    MediationSettings,
    PortSettings,
)

TYPE_UNKNOWN = Reason("CF-BUS-001", "the destination type {found}", "{allowed}")
MEDIATION_MALFORMED = Reason("CF-BUS-008", "{found}", '"module:function", or a table with handler and properties')
NAME_RESERVED = Reason(
    "CF-BUS-009",
    "the destination name {found}",
    f"a name that begins with none of {TEMPORARY_PREFIX}, {SUBSCRIPTION_PREFIX} and {LINK_PREFIX}",
)
TARGET_MISSING = Reason("CF-BUS-101", "a destination of type {kind} without {key}", "{key}, which says what it is for")
ALIAS_ASTRAY = Reason("CF-BUS-102", "an alias that leads nowhere: {fault}", "a target that is there")
FOREIGN_BUS_UNKNOWN = Reason("CF-BUS-103", "the bus {found}", "a bus of foreign_buses: {known}")
MISPLACED = Reason("CF-BUS-104", "{key}, which a {kind} doesn't have", "{key} on a destination of type {owner} only")
TOPIC_MALFORMED = Reason(
    "CF-BUS-105", "the topic {found}", '"/" for the root, or levels such as "sports/football", without wildcards'
)
INHERITS_NOTHING = Reason(
    "CF-BUS-106",
    "inherit_defaults = true on what belongs to another bus",
    "roles of its own: nothing foreign inherits",
)
ADDRESS_TWICE = Reason(
    "CF-BUS-107", "a second foreign destination for {address}, besides {other}", "one foreign destination for each"
)
RELIABILITY_UNKNOWN = Reason("CF-BUS-176", "the reliability {found}", "{allowed}")
SELECTOR_MALFORMED = Reason("CF-BUS-178", "{found}", "a condition over properties and JMS headers: location = 'UK'")
CHECK_UNKNOWN = Reason("CF-BUS-108", "the alias check {found}", "both, target or alias")
#: Keys that only destinations of some types have.
_OWNERS: Final[Mapping[str, tuple[ResourceType, ...]]] = {
    "target": (ResourceType.ALIAS, ResourceType.FOREIGN_DESTINATION),
    "bus": (ResourceType.ALIAS, ResourceType.FOREIGN_DESTINATION),
    "check": (ResourceType.ALIAS,),
    "topics": (ResourceType.TOPIC_SPACE,),
    "topic_checks": (ResourceType.TOPIC_SPACE,),
    "port": (ResourceType.PORT,),
}


@final
class DestinationReader:
    """Reads the destinations of one bus.

    Args:
        reader: Reads roles; the problems go there.
        bus: The bus's name.
    """

    def __init__(self, reader: AssignmentReader, bus: str) -> None:
        self._reader = reader
        self._bus = bus

    def destination(self, path: str, name: str, table: Mapping[str, Any]) -> DestinationSettings:
        """Read one; what is wrong with it is noted, and something fit is answered in its place."""
        if name.startswith((TEMPORARY_PREFIX, SUBSCRIPTION_PREFIX, LINK_PREFIX)):
            self._reader.problem(NAME_RESERVED, path, found=name)
        grants = self.grants(path, name, table)
        return DestinationSettings(
            name=name,
            inherits=grants.inherits,
            roles=grants.roles,
            mediations=tuple(self._mediations(f"{path}.mediations", table.get("mediations") or ())),
            max_redeliveries=int(table.get("max_redeliveries", 2)),
            kind=grants.kind,
            alias=grants.alias,
            foreign=grants.foreign,
            topics=grants.topics,
            reliability=self._reliability(path, table),
            max_depth=None if (limit := table.get("max_depth")) is None else int(limit),
            send_timeout=float(SEND_TIMEOUT if (pause := table.get("send_timeout")) is None else pause),
            max_message_size=int(MAX_MESSAGE_SIZE if (size := table.get("max_message_size")) is None else size),
            exception_destination=table.get("exception_destination") or None,
            port=self._port(path, table) if grants.kind is ResourceType.PORT else None,
        )

    def _port(self, path: str, table: Mapping[str, Any]) -> PortSettings | None:
        return read_port(f"{path}.port", table.get("port"), self._reader.problem)

    def _reliability(self, path: str, table: Mapping[str, Any]) -> Reliability:
        written = table.get("reliability") or Reliability.ASSURED
        if written in list(Reliability):
            return Reliability(written)
        allowed = ", ".join(Reliability)
        self._reader.problem(RELIABILITY_UNKNOWN, f"{path}.reliability", found=repr(written), allowed=allowed)
        return Reliability.ASSURED

    def grants(self, path: str, name: str, table: Mapping[str, Any]) -> ResourceGrants:
        """Read what is assigned on one, without the rest of it."""
        kind = self._kind(path, table)
        for key, owners in _OWNERS.items():
            if table.get(key) is not None and kind not in owners:
                self._reader.problem(MISPLACED, f"{path}.{key}", key=key, kind=kind, owner=" or ".join(owners))
        alias = self._alias(path, table) if kind is ResourceType.ALIAS else None
        foreign = self._foreign(path, name, table) if kind is ResourceType.FOREIGN_DESTINATION else None
        owner = foreign.bus if foreign is not None else (None if alias is None else alias.bus)
        inherits = table.get("inherit_defaults")
        if inherits and owner is not None:
            self._reader.problem(INHERITS_NOTHING, f"{path}.inherit_defaults")
        return ResourceGrants(
            kind=kind,
            # An alias that names another bus is only ever sent to, like all else that belongs to another bus.
            roles=self._reader.roles(
                f"{path}.roles",
                table.get("roles"),
                kind if owner is None else ResourceType.FOREIGN_DESTINATION,
                owner=owner,
            ),
            inherits=owner is None if inherits is None else bool(inherits),
            alias=alias,
            foreign=foreign,
            topics=self._topics(path, table) if kind is ResourceType.TOPIC_SPACE else TopicTree(),
        )

    def check(self, path: str, destinations: Mapping[str, DestinationSettings], buses: Iterable[str]) -> None:
        """What can only be seen of all destinations together: where aliases lead, and addresses that come twice."""
        known, addresses = frozenset(buses), dict[ForeignAddress, str]()
        resources = {
            name: ResourceGrants(each.kind, alias=each.alias, foreign=each.foreign)
            for name, each in destinations.items()
        }
        for name, each in destinations.items():
            place = f"{path}.{key(name)}"
            bus = each.owning_bus
            if bus and bus not in known:
                listed = ", ".join(sorted(known)) or "there is none"
                self._reader.problem(FOREIGN_BUS_UNKNOWN, f"{place}.bus", found=bus, known=listed)
            if each.foreign is not None and (other := addresses.setdefault(each.foreign, name)) != name:
                self._reader.problem(ADDRESS_TWICE, place, address=str(each.foreign), other=other)
            way = alias_path(self._bus, resources, name)
            if each.alias is not None and way.end is None and each.alias.destination:
                self._reader.problem(ALIAS_ASTRAY, f"{place}.target", fault=way.fault)

    def _kind(self, path: str, table: Mapping[str, Any]) -> ResourceType:
        written = table.get("type") or ResourceType.QUEUE
        if written in DESTINATION_TYPES:
            return ResourceType(written)
        self._reader.problem(TYPE_UNKNOWN, f"{path}.type", found=repr(written), allowed=", ".join(DESTINATION_TYPES))
        return ResourceType.QUEUE

    def _alias(self, path: str, table: Mapping[str, Any]) -> AliasTarget:
        target, check = table.get("target"), table.get("check") or AliasCheck.BOTH
        if not target:
            self._reader.problem(TARGET_MISSING, path, kind=ResourceType.ALIAS, key="target")
        if check not in list(AliasCheck):
            self._reader.problem(CHECK_UNKNOWN, f"{path}.check", found=repr(check))
            check = AliasCheck.BOTH
        bus = table.get("bus")
        return AliasTarget(str(target or ""), None if bus in (None, self._bus) else str(bus), AliasCheck(check))

    def _foreign(self, path: str, name: str, table: Mapping[str, Any]) -> ForeignAddress:
        bus = table.get("bus")
        if not bus:
            self._reader.problem(TARGET_MISSING, path, kind=ResourceType.FOREIGN_DESTINATION, key="bus")
        return ForeignAddress(str(bus or ""), str(table.get("target") or name))

    def _topics(self, path: str, table: Mapping[str, Any]) -> TopicTree:
        topics = {}
        for topic, each in (table.get("topics") or {}).items():
            place = f"{path}.topics.{key(topic)}"
            if not is_topic(topic):
                self._reader.problem(TOPIC_MALFORMED, place, found=repr(topic))
                continue
            roles = self._reader.roles(f"{place}.roles", each.get("roles"), ResourceType.TOPIC)
            stopped = {role for role in TOPIC_ROLES if each.get(f"inherit_{role}") is False}
            topics[topic] = TopicGrants(roles, TOPIC_ROLES - stopped)
        checked = table.get("topic_checks")
        return TopicTree(MappingProxyType(topics), checked=checked is None or bool(checked))

    def _mediations(self, path: str, items: Iterable[Any]) -> Iterable[MediationSettings]:
        for number, item in enumerate(items):
            table: Mapping[str, Any] = item if isinstance(item, Mapping) else {"handler": item}
            handler = table.get("handler")
            if not isinstance(handler, str) or not all(handler.partition(":")):
                self._reader.problem(MEDIATION_MALFORMED, f"{path}[{number}]", found=repr(item))
                continue
            yield MediationSettings(
                handler,
                self._selector(f"{path}[{number}].selector", table.get("selector")),
                self._reader.user(f"{path}[{number}].run_as", table.get("run_as")),
                MappingProxyType(dict(table.get("properties") or {})),
            )

    def _selector(self, path: str, text: Any) -> str | None:
        if text is None:
            return None
        try:
            return parse_selector(str(text)).text
        except MessagingError as error:
            self._reader.problem(SELECTOR_MALFORMED, path, found=error.text)
            return None


def key(name: str) -> str:
    """A name as it stands in a key path: quoted where TOML would need it."""
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
