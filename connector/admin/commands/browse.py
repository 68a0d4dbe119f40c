"""`connector browse`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import Place, bus_arguments, bus_login, carry_out, print_message, route_to
from connector.admin.output import print_json, print_line
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.pass_context
def browse(
    context: click.Context,
    bus: str | None,
    destination: str | None,
    cf: str | None,
    naming: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Look at the first hundred messages on DESTINATION of BUS; they stay there."""
    place = Place.of(cf, bus, destination)
    route, (there,) = route_to(context, place, naming)
    login = bus_login(user, password_stdin, password_file)
    messages = carry_out(context, route, place, "browse", login, destination=there)
    if settings_of(context).json:
        print_json(messages)
        return
    for message in messages:
        print_message(message)
    if not messages:
        print_line(f"No messages on {place.destination}.")
