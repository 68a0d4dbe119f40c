"""`connector bus links`: the links to other buses, and where messages would go by them (BUS-12, BUS-15)."""

from __future__ import annotations

import click

from connector.admin.exit_codes import ExitCode
from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.route import Route
from connector.admin.route_text import ROUTE_WAIT, print_route
from connector.admin.settings import AdminGroup, settings_of


@click.group(cls=AdminGroup)
def links() -> None:
    """List, show, start and stop the links to other buses, and follow routes. Role: monitor; start, stop: operator."""


@links.command(name="list")
@click.argument("bus")
@click.pass_context
def list_all(context: click.Context, bus: str) -> None:
    """List them: where they go and how they are, how many messages wait, were sent, were refused on the other side, and
    what was wrong last and in how many seconds it is tried again.
    """
    found = Route.of(context).call("bus.links.list", {"bus": bus})
    if settings_of(context).json:
        print_json(found)
        return
    columns = ("link", "transport", "endpoint", "state", "waiting", "sent", "refused", "code", "retry_in")
    print_table(columns, found["links"], empty=f"Bus {bus} has no links.")


@links.command()
@click.argument("bus")
@click.argument("link")
@click.pass_context
def show(context: click.Context, bus: str, link: str) -> None:
    """Show the link to the bus LINK."""
    found = Route.of(context).call("bus.links.show", {"bus": bus, "link": link})
    if settings_of(context).json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, {}):
            print_line(f"{name}: {value}")


@links.command()
@click.argument("bus")
@click.argument("link")
@click.pass_context
def start(context: click.Context, bus: str, link: str) -> None:
    """Have the link to LINK send, or try at once where it waits after a failure."""
    _change(context, "start", bus, link, "started")


@links.command()
@click.argument("bus")
@click.argument("link")
@click.pass_context
def stop(context: click.Context, bus: str, link: str) -> None:
    """Have the link to LINK send nothing until it, or the container, is started; messages wait on its queue."""
    _change(context, "stop", bus, link, "stopped")


@links.command(name="route")
@click.argument("bus")
@click.argument("destination")
@click.option("--as", "user", metavar="USER", help="Whom the message would be from; nobody unless given.")
@click.option("--topic", metavar="TOPIC", help="Its topic, for a topic space; the root unless given.")
@click.option("--forward", "forward", multiple=True, metavar="NAME", help="Where it goes on to; may be repeated.")
@click.option("--reverse", "reverse", multiple=True, metavar="NAME", help="What its reply passes; may be repeated.")
@click.option("--reply-to", metavar="NAME", help="Where a reply is wanted, which is followed as well.")
@click.pass_context
def show_route(
    context: click.Context,
    /,
    bus: str,
    destination: str,
    user: str | None,
    topic: str | None,
    forward: tuple[str, ...],
    reverse: tuple[str, ...],
    reply_to: str | None,
) -> None:
    """Follow a message to DESTINATION over all links that can be reached, without sending one.

    Each bus is shown with whether the destination is there, whom the message would be from, whether they may send, and
    the assignment that decides. The exit code is 1 where it would not arrive.
    """
    message = {"topic": topic, "forward_path": list(forward), "reverse_path": list(reverse), "reply_to": reply_to}
    asked = {"bus": bus, "destination": destination, "user": user, **message}
    found = Route.of(context).call("bus.links.route", asked, wait=ROUTE_WAIT)
    if settings_of(context).json:
        print_json(found)
    else:
        print_route(found)
    if not found["arrives"]:
        context.exit(ExitCode.REFUSED)


def _change(context: click.Context, command: str, bus: str, link: str, done: str) -> None:
    found = Route.of(context).call(f"bus.links.{command}", {"bus": bus, "link": link})
    print_result(found, as_json=settings_of(context).json, for_people=f"The link of {bus} to {link} is {done}.")
