"""`connector stop`: a running container ends as by SIGTERM."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

import click

from connector.admin.output import print_json, print_line
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of
from connector.errors import Reason, StateInUse

STILL_THERE = Reason(
    "CF-ADM-551",
    "container {container} was told to stop and has not ended within {seconds} seconds.",
    "Look into its log for what it waits for; a signal (SIGKILL) ends it without waiting, and loses nothing that was "
    "accepted.",
)
#: Seconds after which a container that stops has ended, whatever hangs, and some to spare.
PATIENCE: Final = 15.0


@click.command(cls=AdminCommand)
@click.option("--no-wait", is_flag=True, help="Come back at once, without waiting until it has stopped.")
@click.pass_context
def stop(context: click.Context, no_wait: bool) -> None:
    """Stop the running container, and wait until it has stopped. Role: operator.

    As by SIGTERM: it stops in reverse order within five seconds; clients of the wire are told, messages in work are
    finished or given back, none is lost. Over the network (--remote) there is no waiting.
    """
    settings, route = settings_of(context), Route.of(context)
    answer = route.call("stop", {})
    waited = settings.remote is None and not no_wait
    if waited:
        wait_until_free(route.profile.state_folder, str(answer["stopping"]))
    if settings.json:
        print_json({"container": answer["stopping"], "stopped": waited})
    else:
        print_line(f"container {answer['stopping']} {'has stopped' if waited else 'stops'}")


def wait_until_free(state_folder: Path, container: str, patience: float = PATIENCE) -> None:
    """Wait until a container has given its state folder back. Blocks. Raises StateInUse (CF-ADM-551)."""
    from connector.container.state import is_in_use  # `stop --help` needs none of it

    end = time.monotonic() + patience
    while is_in_use(state_folder):
        if time.monotonic() >= end:
            raise StateInUse(STILL_THERE, container=container, seconds=f"{patience:g}")
        time.sleep(0.05)
