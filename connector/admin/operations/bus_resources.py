"""Operations on what a bus has: destinations, topics, foreign buses, temporary prefixes, mediations (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.admin.arguments import Arguments
from connector.admin.bus_shape import TABLES, Kind, Place, bus_table, require_defined
from connector.admin.operations.bus_roles import buses_of
from connector.admin.operations.configuration import changed
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.container.configuration.environment import toml_value
from connector.container.configuration.key_path_text import parse_key_path, value_at
from connector.container.configuration.surgery import Edit, SetValue, Unset
from connector.errors import ConfigError, Reason

SETTING_MALFORMED = Reason("CF-ADM-086", "{text!r} is no setting.", "Write KEY=VALUE, for example depth_limit=1000.")
TYPE_FIXED = Reason(
    "CF-ADM-087",
    "{kind} {name!r} of bus {bus} is there already and is of type {found!r}.",
    "Remove it first, or choose another name.",
)

_KINDS = [str(kind) for kind in TABLES]


def list_resources(target: Target, request: Request) -> list[dict[str, Any]]:
    """The destinations, foreign buses or temporary prefixes of a bus, as they are configured."""
    bus, kind = request.arguments.text("bus"), _kind(request)
    found = bus_table(buses_of(target), bus).get(TABLES[kind][0]) or {}
    return [{"name": name, **_shown(table)} for name, table in sorted(found.items())]


def show_resource(target: Target, request: Request) -> dict[str, Any]:
    """One of them."""
    bus, place = request.arguments.text("bus"), Place(_kind(request), request.arguments.text("name"))
    data = buses_of(target)
    require_defined(data, bus, place)
    return {"name": place.name, **_shown(value_at(data, place.path(bus)))}


def add_resource(target: Target, request: Request) -> dict[str, Any]:
    """Add one, with its settings as KEY=VALUE; harmless where it is there as it is wanted.

    Raises ConfigError (CF-ADM-086, -087), and what the bus has against it.
    """
    arguments = request.arguments
    bus, kind, name = arguments.text("bus"), _kind(request), arguments.text("name")
    wanted = settings_in(arguments)
    if kind is Kind.DESTINATION:
        wanted = {("type",): arguments.free_text("type") or "queue", **wanted}

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        bus_table(data, bus)
        path = Place(kind, name).path(bus)
        present = value_at(data, path)
        if isinstance(present, Mapping) and kind is Kind.DESTINATION:
            found = present.get("type", "queue")
            if found != wanted["type",]:
                raise ConfigError(TYPE_FIXED, kind=str(kind), name=name, bus=bus, found=found)
        if not wanted:
            return [] if present is not None else [SetValue(path, {})]
        return [SetValue((*path, *key), value) for key, value in wanted.items()]

    return changed(target, request, decide)


def remove_resource(target: Target, request: Request) -> dict[str, Any]:
    """Take one out with its roles. Raises NameNotFound (CF-ADM-082)."""
    bus, place = request.arguments.text("bus"), Place(_kind(request), request.arguments.text("name"))

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        return [Unset(place.path(bus))]

    return changed(target, request, decide)


def list_topics(target: Target, request: Request) -> list[dict[str, Any]]:
    """The topics of a topic space that something is said of."""
    bus, space = request.arguments.text("bus"), Place(Kind.DESTINATION, request.arguments.text("name"))
    data = buses_of(target)
    require_defined(data, bus, space)
    found = value_at(data, (*space.path(bus), "topics")) or {}
    return [{"topic": topic, **_shown(table)} for topic, table in sorted(found.items())]


def list_mediations(target: Target, request: Request) -> list[dict[str, Any]]:
    """The mediations of a destination, in order."""
    bus, place = request.arguments.text("bus"), Place(Kind.DESTINATION, request.arguments.text("name"))
    data = buses_of(target)
    require_defined(data, bus, place)
    return [
        dict(each) if isinstance(each, Mapping) else {"handler": each}
        for each in value_at(data, (*place.path(bus), "mediations")) or ()
    ]


def add_mediation(target: Target, request: Request) -> dict[str, Any]:
    """Put a mediation behind those of a destination; harmless where it is among them."""
    arguments = request.arguments
    bus, place = arguments.text("bus"), Place(Kind.DESTINATION, arguments.text("name"))
    handler = arguments.text("handler")
    properties = {".".join(map(str, key)): value for key, value in settings_in(arguments).items()}
    mediation: Any = {"handler": handler, "properties": properties} if properties else handler

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        path = (*place.path(bus), "mediations")
        present = list(value_at(data, path) or ())
        return [SetValue(path, present if mediation in present else [*present, mediation])]

    return changed(target, request, decide)


def remove_mediation(target: Target, request: Request) -> dict[str, Any]:
    """Take a mediation out of those of a destination; harmless where it is not among them."""
    arguments = request.arguments
    bus, place = arguments.text("bus"), Place(Kind.DESTINATION, arguments.text("name"))
    handler = arguments.text("handler")

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        require_defined(data, bus, place)
        path = (*place.path(bus), "mediations")
        present = list(value_at(data, path) or ())
        kept = [each for each in present if handler != (each.get("handler") if isinstance(each, Mapping) else each)]
        return [] if kept == present else [SetValue(path, kept)]

    return changed(target, request, decide)


def _kind(request: Request) -> Kind:
    return Kind(request.arguments.choice("kind", _KINDS, str(Kind.DESTINATION)))


def settings_in(arguments: Arguments) -> dict[tuple[str | int, ...], Any]:
    """The argument `settings` by key path: texts KEY=VALUE, or a table. Raises ConfigError (CF-ADM-086, -030)."""
    given = arguments.anything("settings")
    if isinstance(given, Mapping):
        return {parse_key_path(str(key)): value for key, value in given.items()}
    return dict(map(setting, arguments.texts("settings")))


def setting(text: str) -> tuple[tuple[str | int, ...], Any]:
    """KEY=VALUE. Raises ConfigError (CF-ADM-086)."""
    key, separator, value = text.partition("=")
    if not separator:
        raise ConfigError(SETTING_MALFORMED, text=text)
    return parse_key_path(key), toml_value(value)


def _shown(table: Any) -> dict[str, Any]:
    return dict(table) if isinstance(table, Mapping) else {}
