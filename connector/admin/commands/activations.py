"""`connector activations`: the activations of a running container."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

_COLUMNS = ("activation", "state", "healthy", "handler", "ordering", "delivered", "failed", "active", "problem")


@click.group(cls=AdminGroup)
def activations() -> None:
    """Look at the activations of a running container, or operate one. Role: monitor to look, else operator.

    An activation is a handler's subscription; ACTIVATION is APPLICATION:ACTIVATION.
    """


@activations.command("list")
@click.pass_context
def list_(context: click.Context) -> None:
    """Show all activations: state, health, what has become of their messages. Role: monitor.

    Healthy is one that is subscribed and whose source was seen within healthy_within. A failed one is tried again by
    itself, after longer and longer pauses of up to a minute.
    """
    found = Route.of(context).call("activations.list", {})
    if settings_of(context).json:
        print_json(found)
        return
    print_table(_COLUMNS, [_row(one) for one in found], empty="This container has no activations.")
    for one in found:
        if one["error"]:
            print_line(f"{_name(one)}: {one['error']}{_next(one)}")


@activations.command()
@click.argument("activation")
@click.pass_context
def pause(context: click.Context, activation: str) -> None:
    """Deliver nothing to ACTIVATION's handler until it is resumed; messages wait. Role: operator.

    Handlers that run end undisturbed. It lasts until the next start at most, and is in the audit log.
    """
    result = Route.of(context).call("activations.pause", {"activation": activation})
    still = f"; {result['in_delivery']} handler(s) still run" if result["in_delivery"] else ""
    slow = "" if result["ended"] else "; the adapter has not ended its subscription yet"
    told = f"{activation}: paused{still}{slow}. `connector activations resume {activation}` lets it go on."
    print_result(result, as_json=settings_of(context).json, for_people=told)


@activations.command()
@click.argument("activation")
@click.pass_context
def resume(context: click.Context, activation: str) -> None:
    """Deliver to ACTIVATION's handler again. Role: operator. It is in the audit log."""
    result = Route.of(context).call("activations.resume", {"activation": activation})
    print_result(result, as_json=settings_of(context).json, for_people=_told(result, "was not paused"))


@activations.command()
@click.argument("activation")
@click.pass_context
def retry(context: click.Context, activation: str) -> None:
    """Try ACTIVATION again now, where it has failed. Role: operator. It is in the audit log."""
    result = Route.of(context).call("activations.retry", {"activation": activation})
    print_result(result, as_json=settings_of(context).json, for_people=_told(result, "had not failed"))


def _told(result: Mapping[str, Any], unchanged: str) -> str:
    if result["error"]:
        return f"{result['activation']}: {result['state']}. {result['error']}"
    same = result["before"] == result["state"]
    return f"{result['activation']}: {result['state']}{f'; it {unchanged}' if same else ''}."


def _name(one: Mapping[str, Any]) -> str:
    return f"{one['application']}:{one['activation']}"


def _next(one: Mapping[str, Any]) -> str:
    return "" if one["next_attempt"] is None else f" Tried again in {one['next_attempt']:.0f} s."


def _row(one: Mapping[str, Any]) -> dict[str, Any]:
    deliveries = one["deliveries"]
    failed = sum(deliveries.get(outcome, 0) for outcome in ("failed", "denied", "rolled-back", "outage"))
    problem = "" if one["problem"] == one["state"] else one["problem"]
    counts = {"delivered": deliveries.get("delivered", 0), "failed": failed, "active": deliveries["active"]}
    healthy = "yes" if one["healthy"] else "no"
    return {**one, **counts, "activation": _name(one), "healthy": healthy, "problem": problem}
