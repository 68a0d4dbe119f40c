"""`connector realms`: the realms of a container, and who the callers of foreign ones are here."""

from __future__ import annotations

import click

from connector.admin.output import print_explanation, print_json, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of


@click.group(cls=AdminGroup)
def realms() -> None:
    """Look at realms and inbound maps. Role: monitor."""


@realms.command(name="list")
@click.pass_context
def list_realms(context: click.Context) -> None:
    """List all realms with registry, applications, trust, maps, and for how long what is kept."""
    found = Route.of(context).call("realms.list", {})
    if settings_of(context).json:
        print_json(found)
        return
    rows = [
        {
            "realm": realm["realm"] + (" (own)" if realm["own"] else ""),
            "registry": realm["registry"],
            "applications": realm["applications"],
            "trusts": realm["trusted_inbound"],
            "maps": [inbound["from"] for inbound in realm["inbound_maps"]],
            "groups kept": _seconds(realm["group_cache"]),
            "credentials kept": _seconds(realm["credential_cache"]),
        }
        for realm in found
    ]
    print_table(tuple(rows[0]), rows, empty="")


@realms.command()
@click.option("--to", metavar="NAME", help="Only entries that lead to this user or group: who is it?")
@click.pass_context
def maps(context: click.Context, to: str | None) -> None:
    """List the entries of all inbound maps."""
    found = Route.of(context).call("realms.maps", {"to": to})
    if settings_of(context).json:
        print_json(found)
    else:
        print_table(("kind", "from", "of", "to", "realm"), found, empty="Nobody is translated.")


@realms.command()
@click.argument("caller")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group named with the caller; repeatable.")
@click.option("--realm", metavar="REALM", help="The realm to decide in; the container's own unless given.")
@click.pass_context
def explain(context: click.Context, caller: str, groups: tuple[str, ...], realm: str | None) -> None:
    """Show who CALLER (USER@REALM) of a foreign realm is here, by which entry. Asks no registry."""
    found = Route.of(context).call("realms.explain", {"caller": caller, "groups": list(groups), "realm": realm})
    if settings_of(context).json:
        print_json(found)
    else:
        print_explanation(found)


def _seconds(value: float) -> str:
    return f"{value:g} s" if value else "no"
