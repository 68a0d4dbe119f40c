"""`connector receive`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import (
    Place,
    bus_arguments,
    bus_login,
    carry_out,
    print_message,
    route_to,
    timeout_option,
)
from connector.admin.exit_codes import ExitCode
from connector.admin.output import print_json
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@timeout_option(5.0)
@click.pass_context
def receive(
    context: click.Context,
    bus: str | None,
    destination: str | None,
    cf: str | None,
    naming: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
    timeout: float,
) -> None:
    """Take one message from DESTINATION of BUS. Without one within the timeout the exit code is 1."""
    place = Place.of(cf, bus, destination)
    route, (there,) = route_to(context, place, naming)
    login = bus_login(user, password_stdin, password_file)
    message = carry_out(context, route, place, "receive", login, timeout, destination=there, timeout=timeout)
    if settings_of(context).json:
        print_json(message)
    elif message is None:
        click.echo(f"No message on {place.destination} within {timeout:g} s.", err=True)
    else:
        print_message(message)
    if message is None:
        context.exit(ExitCode.REFUSED)
