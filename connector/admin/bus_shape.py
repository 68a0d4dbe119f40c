"""Where in `[buses.NAME]` things stand: the one place that the `connector bus` commands have it from. Pure.

The commands know no more of a bus than this; what the tables may hold is checked by the adapter that owns them.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.key_paths import KeyPath
from connector.errors import NameNotFound, Reason

SECTION: Final = "buses"
#: The table of roles for destinations that are yet to come, or to come again.
KEPT_ROLES: Final = "kept_roles"
#: What a list that nobody has written stands for (BUS-4): it is spelt out when something is added or taken away.
UNWRITTEN: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("roles", "connector"): ("Server",),
    ("default_roles", "sender"): ("AllAuthenticated",),
    ("default_roles", "receiver"): ("AllAuthenticated",),
    ("default_roles", "browser"): ("AllAuthenticated",),
    ("default_roles", "creator"): ("AllAuthenticated",),
}

NOT_DEFINED = Reason(
    "CF-ADM-082",
    "bus {bus} has no {kind} {name!r}{suggestion}.",
    "See `connector bus {command} list {bus}`; `add` makes one.",
)
BUS_NOT_DEFINED = Reason(
    "CF-ADM-083", "there is no bus {bus!r}; there are: {known}.", "Correct the name, or define [buses.{bus}]."
)


class Kind(StrEnum):
    """What a role can be held on."""

    BUS = "bus"
    DEFAULT = "default"
    DESTINATION = "destination"
    TOPIC = "topic"
    FOREIGN = "foreign bus"
    TEMPORARY = "temporary prefix"
    KEPT = "kept roles"


#: The table of a bus in which the resources of a kind are, and the command that lists them.
TABLES: Final = {
    Kind.DESTINATION: ("destinations", "destinations"),
    Kind.FOREIGN: ("foreign_buses", "foreign"),
    Kind.TEMPORARY: ("temporary_prefixes", "temporary"),
}


@dataclass(frozen=True, slots=True)
class Place:
    """What a role is held on.

    Attributes:
        kind: Its kind.
        name: The destination, topic space, foreign bus or prefix; empty for the bus and for the default resource. For
            kept roles, the destination that they wait for.
        topic: The topic, below a topic space.
    """

    kind: Kind
    name: str = ""
    topic: str = ""

    def path(self, bus: str) -> KeyPath:
        """The key path of its table."""
        root: KeyPath = (SECTION, bus)
        if self.kind in (Kind.BUS, Kind.DEFAULT):
            return root
        if self.kind is Kind.TOPIC:
            return (*root, "destinations", self.name, "topics", self.topic)
        if self.kind is Kind.KEPT:
            return (*root, KEPT_ROLES, self.name)
        return (*root, TABLES[self.kind][0], self.name)

    def role_path(self, bus: str, role: str) -> KeyPath:
        """The key path of the list of a role's holders."""
        return (*self.path(bus), "default_roles" if self.kind is Kind.DEFAULT else "roles", role)

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {"kind": str(self.kind), "name": self.name or None, "topic": self.topic or None}


@dataclass(frozen=True, slots=True)
class Assignment:
    """One holder of one role; `written` is False for what a new bus gives by default (BUS-4)."""

    place: Place
    role: str
    holder: str
    written: bool = True

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {**self.place.to_dict(), "role": self.role, "holder": self.holder, "written": self.written}


def bus_table(data: Mapping[str, Any], bus: str) -> Mapping[str, Any]:
    """The table of a bus. Raises NameNotFound (CF-ADM-083)."""
    buses = data.get(SECTION)
    table = buses.get(bus) if isinstance(buses, Mapping) else None
    if not isinstance(table, Mapping):
        known = ", ".join(sorted(buses)) if isinstance(buses, Mapping) else "none"
        raise NameNotFound(BUS_NOT_DEFINED, bus=bus, known=known or "none")
    return table


def holder_name(written: Any) -> str | None:
    """A holder as commands name it; one with a unique name is a table of its user. None for what is no holder."""
    if isinstance(written, Mapping):
        return f"user:{written['user']}" if isinstance(written.get("user"), str) else None
    return written if isinstance(written, str) else None


def holders(data: Mapping[str, Any], bus: str, place: Place, role: str) -> list[Any]:
    """Who holds a role at a place, as far as it is assigned there, as it is written."""
    path = place.role_path(bus, role)
    written = value_at(data, path)
    return list(UNWRITTEN.get((str(path[-2]), role), ()) if written is None else written)


def require_defined(data: Mapping[str, Any], bus: str, place: Place) -> None:
    """Raise NameNotFound (CF-ADM-082) for a destination, foreign bus or prefix that is not there to get a role.

    Topics are made by what is said of them.
    """
    table = bus_table(data, bus)
    kind = Kind.DESTINATION if place.kind is Kind.TOPIC else place.kind
    if kind not in TABLES:
        return
    name, command = TABLES[kind]
    known = table.get(name)
    if not isinstance(known, Mapping) or place.name not in known:
        near = difflib.get_close_matches(place.name, list(known or ()), n=1)
        suggestion = f" (did you mean {near[0]!r}?)" if near else ""
        raise NameNotFound(
            NOT_DEFINED, bus=bus, kind=str(kind), name=place.name, suggestion=suggestion, command=command
        )


def places(data: Mapping[str, Any], bus: str) -> Iterator[Place]:
    """All places of a bus at which roles can be held, as far as they are written."""
    table = bus_table(data, bus)
    yield Place(Kind.BUS)
    yield Place(Kind.DEFAULT)
    for kind, (name, _) in TABLES.items():
        below = table.get(name)
        for key, settings in below.items() if isinstance(below, Mapping) else ():
            yield Place(kind, key)
            topics = settings.get("topics") if isinstance(settings, Mapping) else None
            for topic in topics if isinstance(topics, Mapping) else ():
                yield Place(Kind.TOPIC, key, topic)
    kept = table.get(KEPT_ROLES)
    yield from (Place(Kind.KEPT, key) for key in (kept if isinstance(kept, Mapping) else ()))


def assignments(data: Mapping[str, Any], bus: str) -> Iterator[Assignment]:
    """All role assignments of a bus, with those that a new bus gives by default."""
    for place in places(data, bus):
        section = "default_roles" if place.kind is Kind.DEFAULT else "roles"
        written = value_at(data, (*place.path(bus), section)) or {}
        for role, held in written.items():
            names = (holder_name(each) for each in held)
            yield from (Assignment(place, role, name) for name in names if name is not None)
        if place.kind in (Kind.BUS, Kind.DEFAULT):
            for (where, role), held in UNWRITTEN.items():
                if where == section and role not in written:
                    yield from (Assignment(place, role, holder, written=False) for holder in held)
