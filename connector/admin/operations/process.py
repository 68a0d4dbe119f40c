"""The operation on the process that a container runs in: to stop it."""

from __future__ import annotations

from typing import Any

from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.errors import Reason, StateInUse

NOT_OURS_TO_STOP = Reason(
    "CF-ADM-550",
    "container {container} runs within a program that was not started by `connector run`.",
    "Stop that program.",
)


def stop(target: Target, _request: Request) -> dict[str, Any]:
    """Have a container stop as by SIGTERM; it answers before it does. Does not block.

    Raises StateInUse (CF-ADM-550) where nobody waits for being asked.
    """
    container = target.container
    if target.stop is None:
        raise StateInUse(NOT_OURS_TO_STOP, container=container.name)
    target.stop()
    return {"stopping": container.name}
