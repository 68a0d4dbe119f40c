"""`connector bus explain`, `diff` and `show`: the policy of a bus, and what is on it (BUS-12, BUS-16)."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from connector.admin.exit_codes import ExitCode
from connector.admin.output import print_explanation, print_json, print_line, print_table
from connector.admin.route import Route
from connector.admin.route_text import ROUTE_WAIT, print_route
from connector.admin.settings import AdminCommand, settings_of

_Command = TypeVar("_Command", bound=Callable[..., Any])

ROLES = ("connector", "sender", "receiver", "browser", "creator")


def _place_options(command: _Command) -> _Command:
    for name, text in (
        ("--temporary-prefix", "The prefix of temporary destinations that it is about."),
        ("--foreign-bus", "The foreign bus that it is about, or with --destination one of its destinations."),
        ("--topic", "The topic, where the destination is a topic space."),
        ("--destination", "The destination that it is about; the bus itself unless given."),
    ):
        command = click.option(name, metavar="NAME", help=text)(command)
    return command


@click.command(cls=AdminCommand)
@click.argument("bus")
@click.argument("role", type=click.Choice(ROLES))
@click.option("--as", "user", metavar="USER", help="Whose rights; those of the unauthenticated one unless given.")
@_place_options
@click.pass_context
def explain(context: click.Context, /, bus: str, role: str, user: str | None, **place: str | None) -> None:
    """Say why a user may or may not do something: the assignment that decides, where it comes from, and what would
    have to be granted. Of sending to what belongs to another bus the whole route is told. The exit code is 1 where it
    is denied on BUS.
    """
    found = Route.of(context).call("bus.explain", {"bus": bus, "role": role, "user": user, **place}, wait=ROUTE_WAIT)
    if settings_of(context).json:
        print_json(found)
    else:
        print_explanation(found)
        if not found["in_force"]:
            print_line("No role is checked: the security of the bus, or administrative security, is off.")
        if "route" in found:
            print_route(found["route"])
    if found["answer"] != "allowed":
        context.exit(ExitCode.REFUSED)


@click.command(cls=AdminCommand)
@click.argument("bus")
@click.option("--grant", multiple=True, metavar="HOLDER", help="Were this holder given the role; may be repeated.")
@click.option("--revoke", multiple=True, metavar="HOLDER", help="Were it taken from this holder; may be repeated.")
@click.option("--role", type=click.Choice(ROLES), help="The role that --grant and --revoke are about.")
@click.option("--default", is_flag=True, help="They are about the default resource of the bus.")
@_place_options
@click.option(
    "--proposed",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="A configuration with [buses.BUS] as it would stand, instead of single changes or before them.",
)
@click.option("--user", "users", multiple=True, metavar="USER", help="Look at this user as well; may be repeated.")
@click.pass_context
def diff(
    context: click.Context,
    /,
    bus: str,
    grant: tuple[str, ...],
    revoke: tuple[str, ...],
    role: str | None,
    default: bool,
    proposed: Path | None,
    users: tuple[str, ...],
    **place: str | None,
) -> None:
    """Say who would gain and who would lose what by a change of the policy; nothing is changed."""
    if (grant or revoke) and role is None:
        raise click.UsageError("Missing option '--role': which role is granted or revoked.")
    text = None if proposed is None else proposed.read_text(encoding="utf-8")
    asked = {
        "bus": bus,
        "grant": list(grant),
        "revoke": list(revoke),
        "role": role,
        "default": default,
        "proposed": text,
        "users": list(users),
        **place,
    }
    found = Route.of(context).call("bus.diff", asked)
    if settings_of(context).json:
        print_json(found)
        return
    rows = [
        {
            "place": " ".join(str(part) for part in each["place"].values() if part),
            "role": each["role"],
            "gains": ", ".join(each["gains"]),
            "loses": ", ".join(each["loses"]),
        }
        for each in found["differences"]
    ]
    print_table(("place", "role", "gains", "loses"), rows, empty="Nobody would gain or lose anything.")
    for alias in found["administrative_authority"]:
        print_line(f"alias {alias['alias']}: needs administrative authority on {alias['target']} of {alias['bus']}")


@click.command(cls=AdminCommand)
@click.argument("bus")
@click.pass_context
def show(context: click.Context, bus: str) -> None:
    """Show the destinations of BUS with their depths and counts."""
    found = Route.of(context).call("bus.show", {"bus": bus})
    if settings_of(context).json:
        print_json(found)
    else:
        print_line(json.dumps(found, indent=2, ensure_ascii=False, default=str))
