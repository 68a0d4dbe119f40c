"""`connector bus destinations|topics|foreign|temporary|mediations`: what a bus has (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connector.admin.bus_shape import Kind
from connector.admin.edit_text import edit_text
from connector.admin.output import print_json, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

_TABLES = ("roles", "topics")


def resource_group(name: str, kind: Kind, text: str, *, typed: bool = False) -> click.Group:
    """The commands for one kind of resource.

    Args:
        name: The group's name.
        kind: What it is about.
        text: Its help.
        typed: Whether the kind has types.
    """
    group = AdminGroup(name=name, help=text)

    @group.command(name="list")
    @click.argument("bus")
    @click.pass_context
    def list_all(context: click.Context, bus: str) -> None:
        """List them, as they are configured. Role: monitor."""
        found = Route.of(context).call("bus.resources.list", {"bus": bus, "kind": kind})
        if settings_of(context).json:
            print_json(found)
            return
        rows = [{"name": row["name"], "type": row.get("type", ""), "settings": _settings(row)} for row in found]
        columns = ("name", "type", "settings") if typed else ("name", "settings")
        print_table(columns, rows, empty=f"There are none; `connector bus {name} add` makes one.")

    @group.command()
    @click.argument("bus")
    @click.argument("name")
    @click.pass_context
    def show(context: click.Context, bus: str, name: str) -> None:
        """Show the settings of NAME. Role: monitor."""
        found = Route.of(context).call("bus.resources.show", {"bus": bus, "kind": kind, "name": name})
        rows = [{"key": key, "value": value} for key, value in found.items()]
        _print(context, found, rows, ("key", "value"))

    @group.command()
    @click.argument("bus")
    @click.argument("name")
    @click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
    @click.option("--type", "type_", metavar="TYPE", help="Its type; queue unless given.", hidden=not typed)
    @click.pass_context
    def add(context: click.Context, bus: str, name: str, settings: tuple[str, ...], type_: str | None) -> None:
        """Add NAME to BUS, with settings. Nothing happens where it is there as it is wanted."""
        place = {"bus": bus, "kind": kind, "name": name}
        _edit(context, "bus.resources.add", {**place, "settings": list(settings), "type": type_})

    @group.command()
    @click.argument("bus")
    @click.argument("name")
    @click.pass_context
    def remove(context: click.Context, bus: str, name: str) -> None:
        """Take NAME out of BUS, with its roles. Its messages stay in the store for one that comes under its name."""
        _edit(context, "bus.resources.remove", {"bus": bus, "kind": kind, "name": name})

    return group


@click.group(cls=AdminGroup)
def topics() -> None:
    """List the topics of a topic space that roles or inheritance are said of; `roles add --topic` makes one."""


@topics.command(name="list")
@click.argument("bus")
@click.argument("space")
@click.pass_context
def list_topics(context: click.Context, bus: str, space: str) -> None:
    """List them. Role: monitor."""
    found = Route.of(context).call("bus.topics.list", {"bus": bus, "name": space})
    rows = [{"topic": row["topic"], "settings": _settings(row)} for row in found]
    _print(context, found, rows, ("topic", "settings"))


@click.group(cls=AdminGroup)
def mediations() -> None:
    """List, add and remove the mediations of a destination."""


@mediations.command(name="list")
@click.argument("bus")
@click.argument("destination")
@click.pass_context
def list_mediations(context: click.Context, bus: str, destination: str) -> None:
    """List them in their order. Role: monitor."""
    found = Route.of(context).call("bus.mediations.list", {"bus": bus, "name": destination})
    _print(context, found, found, ("handler", "properties"))


@mediations.command(name="add")
@click.argument("bus")
@click.argument("destination")
@click.argument("handler", metavar="MODULE:FUNCTION")
@click.argument("properties", nargs=-1, metavar="[KEY=VALUE]...")
@click.pass_context
def add_mediation(
    context: click.Context, bus: str, destination: str, handler: str, properties: tuple[str, ...]
) -> None:
    """Put a mediation behind those that are there, with properties."""
    place = {"bus": bus, "name": destination, "handler": handler}
    _edit(context, "bus.mediations.add", {**place, "settings": list(properties)})


@mediations.command(name="remove")
@click.argument("bus")
@click.argument("destination")
@click.argument("handler", metavar="MODULE:FUNCTION")
@click.pass_context
def remove_mediation(context: click.Context, bus: str, destination: str, handler: str) -> None:
    """Take a mediation out."""
    _edit(context, "bus.mediations.remove", {"bus": bus, "name": destination, "handler": handler})


def _settings(row: Mapping[str, Any]) -> str:
    return ", ".join(f"{k}={v}" for k, v in row.items() if k not in ("name", "topic", "type", *_TABLES))


def _edit(context: click.Context, operation: str, arguments: Mapping[str, Any]) -> None:
    report = Route.of(context).call(operation, arguments, wait=60.0)
    print_result(report, as_json=settings_of(context).json, for_people=edit_text(report))


def _print(context: click.Context, found: Any, rows: list[dict[str, Any]], columns: tuple[str, ...]) -> None:
    if settings_of(context).json:
        print_json(found)
    else:
        print_table(columns, rows, empty="There are none.")
