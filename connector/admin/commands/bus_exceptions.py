"""`connector bus exceptions`: messages that failed, to be looked at, replayed or discarded (BUS-11, BUS-12)."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import click

from connector.admin.bus_work import WorkedOff, work_off
from connector.admin.exit_codes import ExitCode
from connector.admin.interruption import interruptible
from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

_DESTINATION = click.option("--destination", metavar="NAME", help="Another one than the bus's exception destination.")
_ALL = click.option("--all", "everything", is_flag=True, help="All of them.")


@click.group(cls=AdminGroup)
def exceptions() -> None:
    """List, show, replay and discard the messages that could not be delivered. Role: operator."""


@exceptions.command(name="list")
@click.argument("bus")
@_DESTINATION
@click.pass_context
def list_all(context: click.Context, bus: str, destination: str | None) -> None:
    """List them: why, where, when and how often; never what they say."""
    found = Route.of(context).call("bus.exceptions.list", {"bus": bus, "destination": destination})
    if settings_of(context).json:
        print_json(found)
        return
    rows = [{**each, "failed": _time(each["failed"])} for each in found["messages"]]
    columns = ("message", "identity", "at", "failed", "attempts", "reason", "text")
    print_table(columns, rows, empty=f"{found['destination']} is empty.")


@exceptions.command()
@click.argument("bus")
@click.argument("message")
@_DESTINATION
@click.pass_context
def show(context: click.Context, bus: str, message: str, destination: str | None) -> None:
    """Show MESSAGE, by its id, with its properties."""
    asked = {"bus": bus, "message": message, "destination": destination}
    found = Route.of(context).call("bus.exceptions.show", asked)
    if settings_of(context).json:
        print_json(found)
        return
    for name, value in found.items():
        if value not in (None, {}):
            print_line(f"{name}: {_time(value) if name in ('sent', 'failed') else value}")


@exceptions.command()
@click.argument("bus")
@click.argument("messages", nargs=-1)
@_ALL
@click.option("--to", metavar="DESTINATION", help="Another destination than the one at which it failed.")
@_DESTINATION
@click.pass_context
def replay(context: click.Context, /, bus: str, messages: tuple[str, ...], everything: bool, **given: Any) -> None:
    """Give MESSAGES, by their ids, or all back to where they failed, under their own identities.

    What can't go there stays, and makes the exit code 1.
    """
    _work_off(context, "replay", "replayed", bus, messages, everything=everything, given=given)


@exceptions.command()
@click.argument("bus")
@click.argument("messages", nargs=-1)
@_ALL
@_DESTINATION
@click.pass_context
def discard(context: click.Context, /, bus: str, messages: tuple[str, ...], everything: bool, **given: Any) -> None:
    """Throw MESSAGES, by their ids, or all away for good."""
    _work_off(context, "discard", "discarded", bus, messages, everything=everything, given=given)


def _work_off(
    context: click.Context,
    command: str,
    done_word: str,
    bus: str,
    messages: tuple[str, ...],
    *,
    everything: bool,
    given: Mapping[str, Any],
) -> None:
    """Part after part, with a bar for people at a terminal; stopped, it says what was done, and leaves the others."""
    if bool(messages) is everything:
        raise click.UsageError("name messages, or give --all.", context)
    route, so_far = Route.of(context), WorkedOff()

    def part(asked: Mapping[str, Any]) -> Any:
        return route.call(f"bus.exceptions.{command}", {"bus": bus, **given, **asked}, wait=60.0)

    def stopping() -> None:
        print_line("Stopping after the part under way; once more to stop at once.", to_errors=True)

    with interruptible(stopping) as is_interrupted, click.progressbar(length=1, label=command, file=sys.stderr) as bar:
        try:
            for so_far in work_off(part, messages):
                past = so_far.done + len(so_far.failed)
                bar.length = max(1, past + so_far.left)
                bar.update(past - bar.pos)
                if is_interrupted():
                    break
        except BaseException:
            if so_far.done:  # or nobody would know
                print_line(f"{so_far.done} {done_word} before that; the others are where they were.", to_errors=True)
            raise
    as_json, failed = settings_of(context).json, so_far.failed
    stayed = f", {len(failed)} stayed" if failed else ""
    stopped = f"; interrupted, {so_far.left} are where they were" if so_far.left else ""
    print_result(asdict(so_far), as_json=as_json, for_people=f"{so_far.done} {done_word}{stayed}{stopped}.")
    if not as_json:
        for each in failed:
            print_line(f"  {each.message}: {each.code}: {each.text}", to_errors=True)
        if so_far.missing:
            print_line(f"  {so_far.missing} of the messages named are not there.", to_errors=True)
    if so_far.left:
        context.exit(ExitCode.INTERRUPTED)
    if failed or so_far.missing:
        context.exit(ExitCode.REFUSED)


def _time(stamp: Any) -> str:
    return "" if stamp is None else f"{datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
