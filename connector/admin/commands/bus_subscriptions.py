"""`connector bus subscriptions`: who has subscribed to what, and how much waits (BUS-12)."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of


@click.group(cls=AdminGroup)
def subscriptions() -> None:
    """List, show and delete subscriptions of topic spaces. Role: monitor, to delete operator."""


@subscriptions.command(name="list")
@click.argument("bus")
@click.option("--topic-space", metavar="NAME", help="Only those of one topic space.")
@click.pass_context
def list_all(context: click.Context, bus: str, topic_space: str | None) -> None:
    """List them: the topics, who made them, how many use them and how many messages wait."""
    found = Route.of(context).call("bus.subscriptions.list", {"bus": bus, "destination": topic_space})
    if settings_of(context).json:
        print_json(found)
        return
    columns = ("topic_space", "name", "topic", "owner", "durable", "shared", "consumers", "depth")
    print_table(columns, found["subscriptions"], empty=f"bus {bus} has no subscriptions.")


@subscriptions.command()
@click.argument("bus")
@click.argument("subscription")
@click.pass_context
def show(context: click.Context, bus: str, subscription: str) -> None:
    """Show SUBSCRIPTION, by its name."""
    found = Route.of(context).call("bus.subscriptions.show", {"bus": bus, "subscription": subscription})
    if settings_of(context).json:
        print_json(found)
        return
    found["made"] = datetime.fromtimestamp(found["made"], UTC).isoformat(timespec="seconds")
    for name, value in found.items():
        if value is not None:
            print_line(f"{name}: {value}")


@subscriptions.command()
@click.argument("bus")
@click.argument("subscription")
@click.pass_context
def delete(context: click.Context, bus: str, subscription: str) -> None:
    """Delete SUBSCRIPTION, whoever made it, with the messages that wait on it; not while it is in use."""
    found = Route.of(context).call("bus.subscriptions.delete", {"bus": bus, "subscription": subscription})
    sentence = f"{subscription} is deleted, with {found['deleted']['depth']} message(s)."
    print_result(found, as_json=settings_of(context).json, for_people=sentence)
