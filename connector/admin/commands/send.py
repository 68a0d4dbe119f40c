"""`connector send`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import Place, bus_arguments, bus_login, carry_out, message_body, route_to
from connector.admin.output import print_result
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.argument("body", required=False)
@click.option("--topic", metavar="TOPIC", help="What it is about: a topic space delivers by it.")
@click.pass_context
def send(
    context: click.Context,
    bus: str | None,
    destination: str | None,
    body: str | None,
    topic: str | None,
    cf: str | None,
    naming: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Send BODY to DESTINATION of BUS: JSON if it parses, else text; `-` reads it from standard input."""
    place = Place.of(cf, bus, destination, body)
    route, (there,) = route_to(context, place, naming)
    login = bus_login(user, password_stdin, password_file, body=place.body)
    wanted = {"destination": there, "body": message_body(place.body), "topic": topic}
    result = carry_out(context, route, place, "send", login, **wanted)
    text = f"Sent {result['message_id'] or 'a message'} to {place.destination}."
    print_result(result, as_json=settings_of(context).json, for_people=text)
