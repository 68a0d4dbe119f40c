"""The way of what the engine's own consumers have taken to the work manager, and back where that takes nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable

from connector.errors import WorkRejected
from connector.spi import WorkEvent, WorkEventKind, WorkManager
from connector_bus.engine.consumer import Consumer, Taken

_LOG = logging.getLogger("connector_bus.engine")


def submit(works: WorkManager, consumer: Consumer, taken: Taken, run: Callable[[], None], what: str) -> None:
    """Have a taken message worked on, as the engine's own work; one that isn't accepted goes back for a while.

    Does not block, and raises nothing of the work manager's.

    Args:
        works: The work manager.
        consumer: Who has taken it.
        taken: What.
        run: Works on it, and tells the consumer when it is done.
        what: What has to wait, for the log: "bus weather: a mediation of requests".
    """

    def listen(event: WorkEvent) -> None:
        if event.kind is WorkEventKind.REJECTED:
            consumer.refused(taken)

    try:
        works.schedule_work(run, listener=listen)
    except WorkRejected as refusal:
        _LOG.warning("%s must wait: %s", what, refusal.code)
        consumer.refused(taken)
