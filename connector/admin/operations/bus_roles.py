"""Operations on the roles of a bus: edits of its tables, checked and put in force like any other (BUS-12, CONF-8)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.admin.bus_shape import (
    SECTION,
    Kind,
    Place,
    assignments,
    bus_table,
    holder_name,
    holders,
    require_defined,
)
from connector.admin.operations.configuration import changed
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.container.configuration.key_path_text import value_at
from connector.container.configuration.surgery import Edit, SetValue, Unset
from connector.errors import ConfigError, NameNotFound, Reason

HOLDER_UNKNOWN = Reason(
    "CF-ADM-084",
    "the user registry of realm {realm} has no {kind} {name!r}.",
    "Add it, or correct the name; a role is given to user:NAME, group:NAME, Everyone, AllAuthenticated or Server.",
)
HOLDER_MALFORMED = Reason(
    "CF-ADM-085", "{holder!r} can't hold a role.", "Give user:NAME, group:NAME, Everyone, AllAuthenticated or Server."
)

SPECIAL = frozenset({"Everyone", "AllAuthenticated", "Server"})


def list_roles(target: Target, request: Request) -> list[dict[str, Any]]:
    """All role assignments of a bus, or those of one holder or at one place."""
    arguments = request.arguments
    bus, holder, wanted = arguments.text("bus"), arguments.optional_text("holder"), _place(request, optional=True)
    data = _data(target, bus)
    return [
        each.to_dict()
        for each in assignments(data, bus)
        if holder in (None, each.holder) and wanted in (None, each.place)
    ]


def add_role(target: Target, request: Request) -> dict[str, Any]:
    """Give a role to a holder; harmless where it has it. Raises NameNotFound (CF-ADM-082 to -084)."""
    bus, role, place, holder = _role(request)
    _check_holder(target, holder)

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        held = holders(data, bus, place, role)
        there = any(holder_name(each) == holder for each in held)
        return [SetValue(place.role_path(bus, role), held if there else [*held, holder])]

    return changed(target, request, decide)


def remove_role(target: Target, request: Request) -> dict[str, Any]:
    """Take a role from a holder; harmless where it has it not, and where the registry no longer knows it."""
    bus, role, place, holder = _role(request)

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        held = holders(data, bus, place, role)
        kept = [each for each in held if holder_name(each) != holder]
        return [] if kept == held else [SetValue(place.role_path(bus, role), kept)]

    return changed(target, request, decide)


def remove_from_all(target: Target, request: Request) -> dict[str, Any]:
    """Take all roles on a bus, or on all buses, from a holder: for whoever leaves (BUS-12)."""
    arguments = request.arguments
    holder, only = arguments.text("holder"), arguments.optional_text("bus")

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        edits: list[Edit] = []
        for bus in [only] if only is not None else list(data.get(SECTION) or ()):
            for each in assignments(data, bus):
                if each.holder == holder:
                    path = each.place.role_path(bus, each.role)
                    held = holders(data, bus, each.place, each.role)
                    kept = [one for one in held if holder_name(one) != holder]
                    edits.append(SetValue(path, kept))
            edits += _no_longer_trusted(data, bus, holder)
        return edits

    return changed(target, request, decide)


def _no_longer_trusted(data: Mapping[str, Any], bus: str, holder: str) -> list[Edit]:
    """What takes the right to assert others, and the unique name, from a holder."""
    table = bus_table(data, bus)
    edits: list[Edit] = []
    asserters = table.get("identity_assertion") or []
    kept = [one for one in asserters if holder_name(one) != holder]
    if kept != asserters:
        edits.append(SetValue((SECTION, bus, "identity_assertion"), kept))
    if holder in (table.get("unique_names") or {}):
        edits.append(Unset((SECTION, bus, "unique_names", holder)))
    return edits


def clear_roles(target: Target, request: Request) -> dict[str, Any]:
    """Take all roles at one place from everybody, of a topic space those on its topics too; those of other places that
    count there, of the default resource for example, stay. Raises NameNotFound (CF-ADM-082, -083).
    """
    bus, place = request.arguments.text("bus"), _place(request)
    assert place is not None

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        cleared = [each for each in assignments(data, bus) if _is_at(each.place, place)]
        paths = sorted({each.place.role_path(bus, each.role) for each in cleared}, key=str)
        return [SetValue(path, []) for path in paths]

    return changed(target, request, decide)


def set_inheritance(target: Target, request: Request) -> dict[str, Any]:
    """Switch a destination's inheritance of the default roles, or a topic's of its parent's for one direction."""
    inherit = request.arguments.flag("inherit")
    bus, place, key = _inheritance(request)

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        path = (*place.path(bus), key)
        return [] if inherit and value_at(data, path, inherit) is inherit else [SetValue(path, inherit)]

    return changed(target, request, decide)


def show_inheritance(target: Target, request: Request) -> dict[str, Any]:
    """Whether a destination inherits the default roles, or a topic its parent's for one direction, as configured."""
    bus, place, key = _inheritance(request)
    data = _data(target, bus)
    require_defined(data, bus, place)
    return {**place.to_dict(), "inherits": value_at(data, (*place.path(bus), key)) is not False}


def _inheritance(request: Request) -> tuple[str, Place, str]:
    """Bus, place, and the key of the switch."""
    arguments = request.arguments
    bus, place = arguments.text("bus"), _place(request)
    assert place is not None
    if place.kind is Kind.TOPIC:
        return bus, place, f"inherit_{arguments.choice('role', ('sender', 'receiver'), 'sender')}"
    return bus, place, "inherit_defaults"


def _is_at(place: Place, wanted: Place) -> bool:
    """Whether a place is the wanted one, or a topic of it."""
    return place == wanted or (
        place.kind is Kind.TOPIC and wanted.kind is Kind.DESTINATION and place.name == wanted.name
    )


def populate_unique_names(target: Target, request: Request) -> dict[str, Any]:
    """Write down the registry's unique name of each user that holds a role, or may assert others, and has none yet;
    with `force` of all.

    A user that is made anew under the same name, with another unique name, then holds none of its forerunner's roles.
    """
    bus, force = request.arguments.text("bus"), request.arguments.flag("force")
    registry = target.stores.open_registry()

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        table = bus_table(data, bus)
        known, asserters = table.get("unique_names") or {}, table.get("identity_assertion") or ()
        edits: list[Edit] = []
        for holder in sorted(
            {*(each.holder for each in assignments(data, bus)), *(holder_name(one) or "" for one in asserters)}
        ):
            kind, _, name = holder.partition(":")
            if kind == "user" and (force or holder not in known) and registry.user_exists(name):
                edits.append(SetValue((SECTION, bus, "unique_names", holder), registry.unique_name(name)))
        return edits

    return changed(target, request, decide)


def _role(request: Request) -> tuple[str, str, Place, str]:
    arguments = request.arguments
    place = _place(request)
    assert place is not None
    holder = arguments.text("holder")
    if holder not in SPECIAL and not all(holder.partition(":")):
        raise ConfigError(HOLDER_MALFORMED, holder=holder)
    return arguments.text("bus"), arguments.text("role"), place, holder


def _place(request: Request, *, optional: bool = False) -> Place | None:
    arguments = request.arguments
    kind = arguments.choice("kind", [*map(str, Kind), ""], "")
    if not kind:
        return None if optional else Place(Kind.BUS)
    return Place(Kind(kind), arguments.free_text("name"), arguments.free_text("topic"))


def _data(target: Target, bus: str) -> Mapping[str, Any]:
    """The buses' tables. Raises NameNotFound (CF-ADM-083)."""
    buses = buses_of(target)
    bus_table(buses, bus)
    return buses


def buses_of(target: Target) -> dict[str, Any]:
    """What the configuration says of buses, by all sources together."""
    said: Mapping[str, Any] = target.configuration.get()["value"]
    return {SECTION: said.get(SECTION, {})}


def _check_holder(target: Target, holder: str) -> None:
    """Raise NameNotFound (CF-ADM-084) for somebody whom the registry does not know."""
    kind, _, name = holder.partition(":")
    if holder in SPECIAL:
        return
    if kind not in ("user", "group"):
        raise ConfigError(HOLDER_MALFORMED, holder=holder)
    registry = target.stores.open_registry()
    known = registry.user_exists(name) if kind == "user" else registry.group_exists(name)
    if not known:
        raise NameNotFound(HOLDER_UNKNOWN, realm=target.stores.realm, kind=kind, name=name)
