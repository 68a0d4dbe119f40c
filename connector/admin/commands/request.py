"""`connector request`."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.bus_options import (
    Place,
    bus_arguments,
    bus_login,
    carry_out,
    message_body,
    print_message,
    route_to,
    timeout_option,
)
from connector.admin.output import print_json
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@bus_arguments
@click.argument("body", required=False)
@click.option("--request", "asked", metavar="D", help="With --cf: the destination, in the place of DESTINATION.")
@click.option("--response", metavar="D", help="The queue that the reply comes to; one of its own unless given.")
@timeout_option(10.0)
@click.pass_context
def request(
    context: click.Context,
    bus: str | None,
    destination: str | None,
    body: str | None,
    asked: str | None,
    response: str | None,
    cf: str | None,
    naming: str | None,
    user: str | None,
    password_stdin: bool,
    password_file: Path | None,
    timeout: float,
) -> None:
    """Send BODY to DESTINATION of BUS and wait for the reply; `-` reads the body from standard input.

    With --cf NAME, --request and --response name destinations as the other container offers them: a client's profile
    needs to know nothing but where to look them up.
    """
    place = _place(cf, asked, bus, destination, body)
    route, (there, *replies) = route_to(context, place, naming, response)
    login = bus_login(user, password_stdin, password_file, body=place.body)
    wanted = {"destination": there, "body": message_body(place.body), "response": replies[0] if replies else None}
    reply = carry_out(context, route, place, "request", login, timeout, timeout=timeout, **wanted)
    if settings_of(context).json:
        print_json(reply)
    else:
        print_message(reply)


def _place(cf: str | None, asked: str | None, *words: str | None) -> Place:
    """Where the request goes. Raises click.UsageError."""
    if asked is None:
        return Place.of(cf, *words)
    if cf is None:
        raise click.UsageError("--request goes with --cf; else write BUS DESTINATION.")
    body, *more = words
    if any(word is not None for word in more):
        raise click.UsageError("With --cf and --request there is only BODY.")
    return Place(asked, body, None, cf)
