"""`connector lookup`."""

from __future__ import annotations

import json

import click

from connector.admin.naming.outside import Outside, naming_option
from connector.admin.output import print_result
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.argument("name")
@click.option("--outside", is_flag=True, help="In the container that [naming.provider] names, as its clients do.")
@naming_option
@click.pass_context
def lookup(context: click.Context, name: str, outside: bool, naming: str | None) -> None:
    """Look NAME up: a resource's global name, or APPLICATION:REFERENCE. Needs a login, and no role.

    With --outside or --naming it asks another container's naming port, and shows what clients are told: the adapter
    that they need, and its settings, never secrets.
    """
    settings = settings_of(context)
    if outside or naming is not None:
        profile = Route.of(context).profile if naming is None or settings.config.exists() else None
        found = Outside(settings, profile, naming).look_up(name)
        plain = {
            "name": name,
            "kind": found.kind,
            "adapter": found.adapter,
            "properties": dict(found.properties),
        }
        lines = [f"{name}: {found.kind} of the adapter {found.adapter}"]
        lines += [f"  {key} = {json.dumps(value, default=str)}" for key, value in sorted(found.properties.items())]
        print_result(plain, as_json=settings.json, for_people="\n".join(lines))
        return
    here = Route.of(context).call("lookup", {"reference": name})
    text = f"{here['name']}: {here['type']} {here['shown']}"
    print_result(here, as_json=settings.json, for_people=text)
