"""`connector bus roles` and `connector bus inherit`: who may do what on a bus (BUS-2 to BUS-7, BUS-12)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from connector.admin.bus_place import inheritance_arguments, place_arguments
from connector.admin.edit_text import edit_text
from connector.admin.output import print_json, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, AdminGroup, settings_of

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _place_options(command: _Command) -> _Command:
    """Give a command the options that say what a role is held on."""
    for name, text in (
        ("--kept", "For a destination whether it is there or not; they stay when it goes."),
        ("--temporary", "On a prefix of temporary destinations."),
        ("--foreign", "On a foreign bus."),
        ("--topic", "On a topic, of the topic space that --destination names."),
        ("--destination", "On a destination."),
    ):
        command = click.option(name, metavar="NAME", help=text)(command)
    return click.option("--default", "default", is_flag=True, help="On the default resource of the bus.")(command)


def _asked(arguments: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The arguments of an operation; options that don't go together are a usage mistake."""
    try:
        return arguments()
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None


def _place(given: Mapping[str, Any]) -> dict[str, Any]:
    return _asked(lambda: place_arguments(**given))


@click.group(cls=AdminGroup)
def roles() -> None:
    """List, give and take roles of a bus: connector; sender, receiver, browser, creator on what it has.

    HOLDER is user:NAME, group:NAME, Everyone, AllAuthenticated or Server. Without an option a role is the bus's own,
    which is connector.
    """


@roles.command(name="list")
@click.argument("bus")
@click.option("--holder", metavar="HOLDER", help="Only what this one holds; not what it has through a group.")
@_place_options
@click.pass_context
def list_roles(context: click.Context, /, bus: str, holder: str | None, **given: Any) -> None:
    """List the role assignments of BUS. Role: monitor."""
    found = Route.of(context).call("bus.roles.list", {"bus": bus, "holder": holder, **_place(given)})
    if settings_of(context).json:
        print_json(found)
    else:
        rows = [{**each, "origin": "" if each["written"] else "of a new bus"} for each in found]
        print_table(("kind", "name", "topic", "role", "holder", "origin"), rows, empty="Nobody holds a role there.")


@roles.command()
@click.argument("bus")
@click.argument("role")
@click.argument("holder")
@_place_options
@click.pass_context
def add(context: click.Context, /, bus: str, role: str, holder: str, **given: Any) -> None:
    """Give ROLE on BUS to HOLDER. Nothing happens where it has it."""
    _edit(context, "bus.roles.add", {"bus": bus, "role": role, "holder": holder, **_place(given)})


@roles.command()
@click.argument("bus")
@click.argument("role")
@click.argument("holder")
@_place_options
@click.pass_context
def remove(context: click.Context, /, bus: str, role: str, holder: str, **given: Any) -> None:
    """Take ROLE on BUS from HOLDER. Nothing happens where it has it not."""
    _edit(context, "bus.roles.remove", {"bus": bus, "role": role, "holder": holder, **_place(given)})


@roles.command()
@click.argument("bus")
@_place_options
@click.pass_context
def clear(context: click.Context, /, bus: str, **given: Any) -> None:
    """Take all roles from everybody at one place of BUS, of a topic space those on its topics too.

    A destination still inherits the default roles: see `connector bus inherit off`.
    """
    _edit(context, "bus.roles.clear", {"bus": bus, **_place(given)})


@roles.command(name="remove-from-all")
@click.argument("holder")
@click.option("--bus", metavar="BUS", help="On this bus only; else on all.")
@click.pass_context
def remove_from_all(context: click.Context, holder: str, bus: str | None) -> None:
    """Take all roles from HOLDER, on everything, in one change."""
    _edit(context, "bus.roles.remove-from-all", {"holder": holder, "bus": bus})


@roles.command(name="populate-unique-names")
@click.argument("bus")
@click.option("--force", is_flag=True, help="Replace those that are there.")
@click.pass_context
def populate_unique_names(context: click.Context, bus: str, force: bool) -> None:
    """Write down the registry's unique name of each user that holds a role on BUS, where none is."""
    _edit(context, "bus.roles.populate", {"bus": bus, "force": force})


@click.command(cls=AdminCommand)
@click.argument("switch", type=click.Choice(["on", "off", "show"]))
@click.argument("bus")
@click.argument("name")
@click.option("--topic", metavar="TOPIC", help="Of this topic of the topic space NAME, from its parent.")
@click.option("--role", type=click.Choice(["sender", "receiver"]), help="The direction, for a topic.")
@click.option("--temporary", is_flag=True, help="NAME is a prefix of temporary destinations.")
@click.option("--kept", is_flag=True, help="NAME is a destination whose roles are kept.")
@click.pass_context
def inherit(
    context: click.Context,
    switch: str,
    bus: str,
    name: str,
    topic: str | None,
    role: str | None,
    temporary: bool,
    kept: bool,
) -> None:
    """Have the destination NAME of BUS inherit the default resource's roles, or not; or show whether it does.

    Switched off, only its own assignments count.
    """
    place = _asked(lambda: inheritance_arguments(name, topic, role, temporary=temporary, kept=kept))
    place["bus"] = bus
    if switch != "show":
        _edit(context, "bus.inherit", {**place, "inherit": switch == "on"})
        return
    found = Route.of(context).call("bus.inherit.show", place)
    sentence = f"{name} inherits." if found["inherits"] else f"{name} does not inherit."
    print_result(found, as_json=settings_of(context).json, for_people=sentence)


def _edit(context: click.Context, operation: str, arguments: Mapping[str, Any]) -> None:
    report = Route.of(context).call(operation, arguments, wait=60.0)
    print_result(report, as_json=settings_of(context).json, for_people=edit_text(report))
