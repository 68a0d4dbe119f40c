"""`connector request`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import Place, bus_arguments, bus_login, message_body, print_message, timeout_option
from connector.admin.output import print_json
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.argument("body", required=False)
@timeout_option(10.0)
@click.pass_context
def request(
    context: click.Context,
    bus: str | None,
    destination: str | None,
    body: str | None,
    cf: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
    timeout: float,
) -> None:
    """Send BODY to DESTINATION of BUS and wait for the reply; `-` reads the body from standard input."""
    place = Place.of(cf, bus, destination, body)
    login = bus_login(user, password_stdin, password_file, body=place.body)
    arguments = place.arguments(login, body=message_body(place.body), timeout=timeout)
    reply = Route.of(context).call(place.operation("request"), arguments, login=place.login(login), wait=timeout)
    if settings_of(context).json:
        print_json(reply)
    else:
        print_message(reply)
