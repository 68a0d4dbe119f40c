"""From the `[buses]` section to frozen settings, with all mistakes at once (CONF-1, BUS-2, BUS-3)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, final

from connector.errors import ConfigError, Problem, Reason
from connector.spi import IdentityService
from connector_bus.adapter.store_place import read_place
from connector_bus.policy.definition import NEW_BUS_CONNECTORS, NEW_BUS_DEFAULTS, Assignments, PolicyDefinition
from connector_bus.policy.definition import ResourceGrants as Grants
from connector_bus.policy.holders import ALL_AUTHENTICATED, Holder, HolderKind, parse_holder
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role
from connector_bus.settings import REPLY_PREFIX, BusSettings, DestinationSettings, MediationSettings

TYPE_UNSUPPORTED = Reason("CF-BUS-001", "the destination type {found}", "queue, in this version")
ROLE_IMPOSSIBLE = Reason("CF-BUS-002", "the role {found}, which can't be held on a {kind}", "{allowed}")
HOLDER_MALFORMED = Reason(
    "CF-BUS-003", "the role holder {found}", "user:NAME, group:NAME, Everyone, AllAuthenticated or Server"
)
HOLDER_UNKNOWN = Reason("CF-BUS-004", "{found}, which the registry of realm {realm} doesn't know", "a known {kind}")
ASSERTER_UNFIT = Reason("CF-BUS-005", "{found}", "user:NAME: only a user that signs on can assert callers")
MEDIATION_MALFORMED = Reason("CF-BUS-008", "{found}", '"module:function", or a table with handler and properties')
CHAINS_UNFIT = Reason("CF-BUS-018", "permitted_chains {found}", '"all", "tls-only", or a list of names of chains')
NAME_RESERVED = Reason("CF-BUS-009", "the destination name {found}", f"a name that doesn't begin with {REPLY_PREFIX}")


def read_buses(section: Mapping[str, Any], identity: IdentityService) -> dict[str, BusSettings]:
    """Read the section; asks the registry about role holders where the security of their bus is in force.

    Raises ConfigError with all problems; each names its key path.
    """
    reader = _Reader(identity)
    buses = {name: reader.bus(str(name), table) for name, table in section.items()}
    if reader.problems:
        raise ConfigError.of(tuple(reader.problems))
    return buses


def policy_definition(settings: BusSettings, identity: IdentityService) -> PolicyDefinition:
    """The policy that a bus's settings mean.

    Reply queues are one temporary resource that whoever has authenticated may send to: a service answers as its
    caller, and whether the caller may use the service was decided where the request went in.
    """
    resources = {
        name: Grants(ResourceType.QUEUE, each.roles, each.inherits) for name, each in settings.destinations.items()
    }
    resources[REPLY_PREFIX] = Grants(ResourceType.TEMPORARY, {Role.SENDER: frozenset({ALL_AUTHENTICATED})})
    return PolicyDefinition(
        settings.name, identity.realm, identity.trusted_realms, settings.connectors, settings.defaults, resources
    )


@final
class _Reader:
    """Reads one section and gathers the problems."""

    def __init__(self, identity: IdentityService) -> None:
        self._identity = identity
        self._verify = False
        self.problems: list[Problem] = []

    def bus(self, name: str, table: Mapping[str, Any]) -> BusSettings:
        path = f"buses.{_key(name)}"
        security = bool(table.get("security", True))
        self._verify = security and self._identity.security_enabled
        own = self._roles(f"{path}.roles", table.get("roles"), ResourceType.BUS)
        defaults = self._roles(f"{path}.default_roles", table.get("default_roles"), ResourceType.DEFAULT)
        exceptions = str(table.get("exception_destination") or f"_SYSTEM.Exception.Destination.{name}")
        destinations = {
            destination: self._destination(f"{path}.destinations.{_key(destination)}", destination, settings)
            for destination, settings in (table.get("destinations") or {}).items()
        }
        # By default nobody but administration reads other people's failed messages: it inherits nothing.
        destinations.setdefault(exceptions, DestinationSettings(exceptions, inherits=False))
        return BusSettings(
            name=name,
            security=security,
            connectors=own.get(Role.CONNECTOR, NEW_BUS_CONNECTORS),
            defaults=MappingProxyType({**NEW_BUS_DEFAULTS, **defaults}),
            identity_assertion=self._asserters(f"{path}.identity_assertion", table.get("identity_assertion")),
            exception_destination=exceptions,
            destinations=MappingProxyType(destinations),
            store=read_place(name, path, table, self._problem),
            permitted_chains=self._permitted(f"{path}.permitted_chains", table, secured=security),
        )

    def _permitted(self, path: str, table: Mapping[str, Any], *, secured: bool) -> str | tuple[str, ...]:
        """Which chains clients may come over; a secured bus takes protected ones only unless it says otherwise."""
        said = table.get("permitted_chains")
        if said is None:
            return "tls-only" if secured else "all"
        if isinstance(said, str) and said not in ("all", "tls-only"):
            self._problem(CHAINS_UNFIT, path, found=repr(said))
        return said if isinstance(said, str) else tuple(said)

    def _destination(self, path: str, name: str, table: Mapping[str, Any]) -> DestinationSettings:
        kind = table.get("type", "queue")
        if kind != "queue":
            self._problem(TYPE_UNSUPPORTED, f"{path}.type", found=repr(kind))
        if name.startswith(REPLY_PREFIX):
            self._problem(NAME_RESERVED, path, found=name)
        return DestinationSettings(
            name=name,
            inherits=bool(table.get("inherit_defaults", True)),
            roles=self._roles(f"{path}.roles", table.get("roles"), ResourceType.QUEUE),
            mediations=tuple(self._mediations(f"{path}.mediations", table.get("mediations") or ())),
            max_redeliveries=int(table.get("max_redeliveries", 2)),
        )

    def _roles(self, path: str, table: Mapping[str, Any] | None, kind: ResourceType) -> Assignments:
        roles: dict[Role, frozenset[Holder]] = {}
        for name, holders in (table or {}).items():
            if holders is None:
                continue
            if name not in POSSIBLE_ROLES[kind]:
                allowed = ", ".join(sorted(POSSIBLE_ROLES[kind]))
                self._problem(ROLE_IMPOSSIBLE, f"{path}.{name}", found=str(name), kind=str(kind), allowed=allowed)
                continue
            roles[Role(name)] = frozenset(self._holders(f"{path}.{name}", holders))
        return MappingProxyType(roles)

    def _holders(self, path: str, texts: Iterable[Any]) -> Iterable[Holder]:
        for number, text in enumerate(texts):
            holder = parse_holder(str(text))
            if holder is None:
                self._problem(HOLDER_MALFORMED, f"{path}[{number}]", found=repr(text))
            elif self._exists(f"{path}[{number}]", holder):
                yield holder

    def _exists(self, path: str, holder: Holder) -> bool:
        if not self._verify or holder.kind is HolderKind.SPECIAL:
            return True
        known = self._identity.user_exists if holder.kind is HolderKind.USER else self._identity.group_exists
        if known(holder.name):
            return True
        self._problem(HOLDER_UNKNOWN, path, found=str(holder), realm=self._identity.realm, kind=str(holder.kind))
        return False

    def _asserters(self, path: str, texts: Iterable[Any] | None) -> frozenset[str]:
        names = set()
        for number, text in enumerate(texts or ()):
            holder = parse_holder(str(text))
            if holder is None or holder.kind is not HolderKind.USER:
                self._problem(ASSERTER_UNFIT, f"{path}[{number}]", found=repr(text))
            elif self._exists(f"{path}[{number}]", holder):
                names.add(holder.name)
        return frozenset(names)

    def _mediations(self, path: str, items: Iterable[Any]) -> Iterable[MediationSettings]:
        for number, item in enumerate(items):
            table: Mapping[str, Any] = item if isinstance(item, Mapping) else {"handler": item}
            handler = table.get("handler")
            if not isinstance(handler, str) or not all(handler.partition(":")):
                self._problem(MEDIATION_MALFORMED, f"{path}[{number}]", found=repr(item))
                continue
            yield MediationSettings(handler, MappingProxyType(dict(table.get("properties") or {})))

    def _problem(self, reason: Reason, path: str, **inserts: str) -> None:
        found, allowed = reason.text.format(**inserts), reason.action.format(**inserts)
        self.problems.append(Problem(reason.code, "configuration", None, path, found, allowed))


def _key(name: str) -> str:
    """A name as it stands in a key path: quoted where TOML would need it."""
    return name if name.replace("-", "").replace("_", "").isalnum() else f'"{name}"'
