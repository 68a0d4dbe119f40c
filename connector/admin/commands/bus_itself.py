"""`connector bus list|add|remove` and `connector bus chains`: buses as a whole (BUS-12, CHAIN-2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connector.admin.edit_text import edit_text
from connector.admin.output import print_json, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, AdminGroup, settings_of


@click.command(name="list", cls=AdminCommand)
@click.pass_context
def list_buses(context: click.Context) -> None:
    """List the buses that are configured. Role: monitor."""
    found = Route.of(context).call("bus.list", {})
    if settings_of(context).json:
        print_json(found)
    else:
        columns = ("name", "security", "destinations", "permitted_chains")
        print_table(columns, found, empty="There are no buses; `connector bus add` makes one.")


@click.command(cls=AdminCommand)
@click.argument("bus")
@click.argument("settings", nargs=-1, metavar="[KEY=VALUE]...")
@click.pass_context
def add(context: click.Context, bus: str, settings: tuple[str, ...]) -> None:
    """Add BUS, with settings. It is secured unless they say otherwise, and at first nobody but the container connects.

    Nothing happens where it is there as it is wanted.
    """
    _edit(context, "bus.add", {"bus": bus, "settings": list(settings)})


@click.command(cls=AdminCommand)
@click.argument("bus")
@click.pass_context
def remove(context: click.Context, bus: str) -> None:
    """Take BUS out of the configuration, with all roles and destinations. Its messages stay in the store.

    Refused while a resource or a link names it.
    """
    _edit(context, "bus.remove", {"bus": bus})


@click.group(cls=AdminGroup)
def chains() -> None:
    """List, permit and forbid the transport chains over which a bus takes clients."""


@chains.command(name="list")
@click.argument("bus")
@click.pass_context
def list_chains(context: click.Context, bus: str) -> None:
    """List the chains, and whether BUS takes clients over them. Role: monitor."""
    found = Route.of(context).call("bus.chains.list", {"bus": bus})
    if settings_of(context).json:
        print_json(found)
    else:
        rows = [{**each, "tls": each["tls"] or "none"} for each in found["chains"]]
        print_table(("chain", "tls", "enabled", "permitted"), rows, empty="There are no chains.")


@chains.command()
@click.argument("bus")
@click.argument("chain")
@click.pass_context
def permit(context: click.Context, bus: str, chain: str) -> None:
    """Have BUS take clients over CHAIN. Role: administrator."""
    _edit(context, "bus.chains.permit", {"bus": bus, "chain": chain})


@chains.command()
@click.argument("bus")
@click.argument("chain")
@click.pass_context
def forbid(context: click.Context, bus: str, chain: str) -> None:
    """Have BUS take no clients over CHAIN. Role: administrator."""
    _edit(context, "bus.chains.forbid", {"bus": bus, "chain": chain})


def _edit(context: click.Context, operation: str, arguments: Mapping[str, Any]) -> None:
    report = Route.of(context).call(operation, arguments, wait=60.0)
    print_result(report, as_json=settings_of(context).json, for_people=edit_text(report))
