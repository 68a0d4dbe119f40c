"""`connector send`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import bus_arguments, bus_login, message_body
from connector.admin.output import print_result
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.argument("body", required=False)
@click.option("--topic", metavar="TOPIC", help="What it is about: a topic space delivers by it.")
@click.pass_context
def send(
    context: click.Context,
    bus: str,
    destination: str,
    body: str | None,
    topic: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Send BODY to DESTINATION of BUS: JSON if it parses, else text; `-` reads it from standard input."""
    login = bus_login(user, password_stdin, password_file, body=body)
    arguments = {"bus": bus, "destination": destination, "body": message_body(body), "topic": topic}
    result = Route.of(context).call("bus.send", arguments, login=login)
    text = f"Sent {result['message_id'] or 'a message'} to {destination}."
    print_result(result, as_json=settings_of(context).json, for_people=text)
