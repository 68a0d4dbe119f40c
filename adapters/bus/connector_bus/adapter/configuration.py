"""From the `[buses]` section to frozen settings, with all mistakes at once (CONF-1, BUS-2, BUS-3)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, final

from connector.errors import ConfigError, Problem, Reason
from connector.spi import IdentityService
from connector_bus.adapter.assignment_reader import AssignmentReader
from connector_bus.adapter.destination_reader import DestinationReader, key
from connector_bus.adapter.link_reader import LinkReader
from connector_bus.adapter.store_place import read_place
from connector_bus.chains.bootstrap import Bootstrap, BootstrapPolicy
from connector_bus.chains.place import parse_place
from connector_bus.policy.alias_path import alias_path
from connector_bus.policy.definition import NEW_BUS_CONNECTORS, NEW_BUS_DEFAULTS, Assignments, PolicyDefinition
from connector_bus.policy.definition import ResourceGrants as Grants
from connector_bus.policy.holders import ALL_AUTHENTICATED
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.settings import (
    NO_EXCEPTION_DESTINATION,
    REPLY_PREFIX,
    BusSettings,
    DestinationSettings,
    transmission_queue,
)

EXCEPTIONS_UNFIT = Reason(
    "CF-BUS-177", "the exception destination {found}", f'another queue of the bus, or "{NO_EXCEPTION_DESTINATION}"'
)
CHAINS_UNFIT = Reason("CF-BUS-018", "permitted_chains {found}", '"all", "tls-only", or a list of names of chains')
MEMBER_UNFIT = Reason(
    "CF-BUS-460", "the member {found}", "amqps://HOST:PORT/CHAIN, or amqp:// for a chain in plain text"
)
MEMBERS_MISSING = Reason(
    "CF-BUS-461", "a bus without an engine here that names no members", "where engines of the bus listen"
)
FOREIGN_NAME_UNFIT = Reason("CF-BUS-110", "the foreign bus {found}", "another name than the bus's own")
PREFIX_UNFIT = Reason(
    "CF-BUS-111", "the temporary prefix {found}", f"at least one character, and not the beginning of {REPLY_PREFIX}"
)
KEPT_TYPE_DIFFERS = Reason(
    "CF-BUS-112", "roles that are kept for a {found}", "the type that the destination has: {kind}"
)


def read_buses(
    section: Mapping[str, Any], identity: IdentityService, *, vanished: list[Problem] | None = None
) -> dict[str, BusSettings]:
    """Read the section; asks the registry about role holders where the security of their bus is in force.

    Args:
        section: `[buses]`.
        identity: Who is known.
        vanished: Gets what is wrong of holders of roles whom the registry doesn't know, in the place of an error. At a
            start they may have been known when they were given the role: somebody who leaves stops no bus (BUS-3).

    Raises ConfigError with all problems; each names its key path.
    """
    reader = _Reader(identity, vanished)
    buses = {name: reader.bus(str(name), table) for name, table in section.items()}
    if reader.problems:
        raise ConfigError.of(tuple(reader.problems))
    return buses


def policy_definition(settings: BusSettings, identity: IdentityService) -> PolicyDefinition:
    """The policy that a bus's settings mean.

    Reply queues are one temporary resource that whoever has authenticated may send to: a service answers as its
    caller, and whether the caller may use the service was decided where the request went in.
    """
    resources = dict(settings.kept_roles)
    for name, each in settings.destinations.items():
        kept = settings.kept_roles.get(name)
        roles = each.roles if kept is None else _united(each.roles, kept.roles)
        resources[name] = Grants(each.kind, roles, each.inherits, each.alias, each.foreign, each.topics)
    resources[REPLY_PREFIX] = Grants(ResourceType.TEMPORARY, {Role.SENDER: frozenset({ALL_AUTHENTICATED})})
    return PolicyDefinition(
        bus=settings.name,
        realm=identity.realm,
        trusted_realms=identity.trusted_realms,
        connectors=settings.connectors,
        defaults=settings.defaults,
        resources=resources,
        foreign_buses=settings.foreign_buses,
        temporary_prefixes=settings.temporary_prefixes,
    )


def _united(one: Assignments, other: Assignments) -> Assignments:
    nobody: frozenset[Any] = frozenset()
    return MappingProxyType({role: one.get(role, nobody) | other.get(role, nobody) for role in {*one, *other}})


def _with_kept(table: Mapping[str, Any], kept: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """A destination that says nothing about inheritance takes what was kept for it: it is closed from its first day."""
    if kept is None or table.get("inherit_defaults") is not None:
        return table
    return {**table, "inherit_defaults": kept.get("inherit_defaults")}


@final
class _Reader:
    """Reads one section and gathers the problems."""

    def __init__(self, identity: IdentityService, vanished: list[Problem] | None) -> None:
        self._identity = identity
        self._assignments = AssignmentReader(identity, vanished)
        self.problems = self._assignments.problems

    def bus(self, name: str, table: Mapping[str, Any]) -> BusSettings:
        path = f"buses.{key(name)}"
        security = bool(table.get("security", True))
        self._assignments.verify = security and self._identity.security_enabled
        self._assignments.unique_names = table.get("unique_names") or {}
        roles = self._assignments.roles
        own = roles(f"{path}.roles", table.get("roles"), ResourceType.BUS)
        defaults = roles(f"{path}.default_roles", table.get("default_roles"), ResourceType.DEFAULT)
        exceptions = str(table.get("exception_destination") or f"_SYSTEM.Exception.Destination.{name}")
        reader, kept = DestinationReader(self._assignments, name), table.get("kept_roles") or {}
        destinations = {
            destination: reader.destination(
                f"{path}.destinations.{key(destination)}", destination, _with_kept(settings, kept.get(destination))
            )
            for destination, settings in (table.get("destinations") or {}).items()
        }
        foreign = self._foreign_buses(f"{path}.foreign_buses", name, table.get("foreign_buses") or {})
        reader.check(f"{path}.destinations", destinations, foreign)
        # By default nobody but administration reads other people's failed messages: it inherits nothing.
        destinations.setdefault(exceptions, DestinationSettings(exceptions, inherits=False))
        self._check_exceptions(f"{path}.destinations", name, destinations)
        tables = table.get("foreign_buses") or {}
        links = LinkReader(self._assignments, secured=self._assignments.verify)
        ways = links.ways(f"{path}.foreign_buses", tables, destinations)
        for other in (other for other, way in ways.items() if way.link is not None):
            queue = transmission_queue(other)
            # What waits there is nobody's to receive or browse, and nobody's to send to by that name.
            destinations[queue] = DestinationSettings(queue, inherits=False)
        return BusSettings(
            name=name,
            security=security,
            connectors=own.get(Role.CONNECTOR, NEW_BUS_CONNECTORS),
            defaults=MappingProxyType({**NEW_BUS_DEFAULTS, **defaults}),
            identity_assertion=self._assignments.asserters(
                f"{path}.identity_assertion", table.get("identity_assertion")
            ),
            exception_destination=exceptions,
            mediation_user=self._assignments.user(f"{path}.mediation_user", table.get("mediation_user")),
            destinations=MappingProxyType(destinations),
            kept_roles=self._kept(f"{path}.kept_roles", kept, destinations),
            foreign_buses=foreign,
            temporary_prefixes=self._prefixes(f"{path}.temporary_prefixes", table.get("temporary_prefixes") or {}),
            ways=ways,
            link_socket=table.get("link_socket") or None,
            inter_engine_alias=table.get("inter_engine_alias") or None,
            store=read_place(name, path, table, self._assignments.problem),
            permitted_chains=self._permitted(f"{path}.permitted_chains", table, secured=security),
            bootstrap=self._bootstrap(path, table),
        )

    def _bootstrap(self, path: str, table: Mapping[str, Any]) -> Bootstrap:
        """How clients find the bus."""
        engine, places = table.get("engine") is not False, []
        for text in table.get("members") or ():
            place = parse_place(str(text), with_chain=True)
            if place is None:
                self._assignments.problem(MEMBER_UNFIT, f"{path}.members", found=repr(text))
            else:
                places.append(place)
        if not engine and not table.get("members"):
            self._assignments.problem(MEMBERS_MISSING, f"{path}.engine")
        policy = BootstrapPolicy(table.get("bootstrap") or BootstrapPolicy.ANY)
        return Bootstrap(engine, policy, frozenset(map(str, table.get("nominated") or ())), tuple(places))

    def _check_exceptions(self, path: str, bus: str, destinations: Mapping[str, DestinationSettings]) -> None:
        """Messages that fail go to a queue of this bus, and not to where they have failed."""
        for name, each in destinations.items():
            to = each.exception_destination
            if to is None or to == NO_EXCEPTION_DESTINATION:
                continue
            end = alias_path(bus, destinations, to).end
            if not isinstance(end, str) or destinations[end].kind is not ResourceType.QUEUE or end == name:
                self._assignments.problem(EXCEPTIONS_UNFIT, f"{path}.{key(name)}.exception_destination", found=repr(to))

    def _permitted(self, path: str, table: Mapping[str, Any], *, secured: bool) -> str | tuple[str, ...]:
        """Which chains clients may come over; a secured bus takes protected ones only unless it says otherwise."""
        said = table.get("permitted_chains")
        if said is None:
            return "tls-only" if secured else "all"
        if isinstance(said, str) and said not in ("all", "tls-only"):
            self._assignments.problem(CHAINS_UNFIT, path, found=repr(said))
        return said if isinstance(said, str) else tuple(said)

    def _kept(
        self, path: str, tables: Mapping[str, Any], destinations: Mapping[str, DestinationSettings]
    ) -> Mapping[str, Grants]:
        kept = {}
        for name, table in tables.items():
            place, present = f"{path}.{key(name)}", destinations.get(name)
            kind = ResourceType(table.get("type") or (ResourceType.QUEUE if present is None else present.kind))
            if present is not None and kind is not present.kind:
                self._assignments.problem(KEPT_TYPE_DIFFERS, f"{place}.type", found=kind, kind=present.kind)
                continue
            owner = None if present is None else present.owning_bus
            roles = self._assignments.roles(f"{place}.roles", table.get("roles"), kind, owner=owner)
            kept[name] = Grants(kind, roles, table.get("inherit_defaults") is not False)
        return MappingProxyType(kept)

    def _foreign_buses(self, path: str, own: str, tables: Mapping[str, Any]) -> Mapping[str, Assignments]:
        buses = {}
        for name, table in tables.items():
            place = f"{path}.{key(name)}"
            if name == own:
                self._assignments.problem(FOREIGN_NAME_UNFIT, place, found=name)
            table = table or {}
            buses[name] = self._assignments.roles(
                f"{place}.roles", table.get("roles"), ResourceType.FOREIGN_BUS, owner=name
            )
        return MappingProxyType(buses)

    def _prefixes(self, path: str, tables: Mapping[str, Any]) -> Mapping[str, Grants]:
        prefixes = {}
        for name, table in tables.items():
            place, table = f"{path}.{key(name)}", table or {}
            if not name or REPLY_PREFIX.startswith(name) or name.startswith(REPLY_PREFIX):
                self._assignments.problem(PREFIX_UNFIT, place, found=repr(name))
            roles = self._assignments.roles(f"{place}.roles", table.get("roles"), ResourceType.TEMPORARY)
            inherits = table.get("inherit_defaults")
            prefixes[name] = Grants(ResourceType.TEMPORARY, roles, inherits is None or bool(inherits))
        return MappingProxyType(prefixes)
