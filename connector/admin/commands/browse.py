"""`connector browse`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import bus_arguments, bus_login, print_message
from connector.admin.output import print_json, print_line
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.pass_context
def browse(
    context: click.Context,
    bus: str,
    destination: str,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Look at the first hundred messages on DESTINATION of BUS; they stay there."""
    login = bus_login(user, password_stdin, password_file)
    messages = Route.of(context).call("bus.browse", {"bus": bus, "destination": destination}, login=login)
    if settings_of(context).json:
        print_json(messages)
        return
    for message in messages:
        print_message(message)
    if not messages:
        print_line(f"No messages on {destination}.")
