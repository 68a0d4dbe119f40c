"""One submitted work on its way through the manager: a record of plain fields."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, final

from connector.errors import WorkError
from connector.spi import WorkContext, WorkEvent, WorkEventKind, WorkLike, WorkListener


class Station(Enum):
    """Where a submission is; only the ledger moves it, under its lock."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    REJECTED = "rejected"


class Awaited(Enum):
    """What the submitter waits for."""

    NOTHING = "nothing"
    START = "start"
    END = "end"


@final
class Submission:
    """One work with everything that belongs to its run.

    `station` is the ledger's; the other fields that change (`start_delay`, `result`, `error`) are written by whoever
    moved the station, before `signal` is given, and read by the submitter after it.

    Attributes:
        work: What to run.
        contexts: Its work contexts.
        listener: Whom to tell, or None.
        awaited: What the submitter waits for.
        submitter: Who submitted it, in words: "adapter bus".
        long_running: Whether it runs on a thread of its own.
        accepted_at: Monotonic seconds.
        deadline: Monotonic seconds until which it must have been started; infinite for no limit.
        call_off: Calls the start timer off, where there is one.
    """

    __slots__ = (
        "work",
        "contexts",
        "listener",
        "awaited",
        "submitter",
        "long_running",
        "accepted_at",
        "deadline",
        "call_off",
        "station",
        "start_delay",
        "result",
        "error",
        "_signal",
    )

    def __init__(
        self,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        listener: WorkListener | None,
        *,
        awaited: Awaited,
        submitter: str,
        long_running: bool,
        accepted_at: float,
        start_timeout: float,
    ) -> None:
        self.work = work
        self.contexts = contexts
        self.listener = listener
        self.awaited = awaited
        self.submitter = submitter
        self.long_running = long_running
        self.accepted_at = accepted_at
        self.deadline = accepted_at + start_timeout
        self.call_off: Callable[[], None] | None = None
        self.station = Station.QUEUED
        self.start_delay: float | None = None
        self.result: Any = None
        self.error: WorkError | None = None
        # A bare lock, taken at birth and released once: the cheapest signal between two threads that there is (a
        # Future or an Event costs a Condition, twice as much as the whole dispatch).
        self._signal = threading.Lock()
        self._signal.acquire()

    def wait(self) -> None:
        """Block until the awaited station is reached. Called once, by the submitter."""
        self._signal.acquire()

    def reached(self, station: Awaited) -> None:
        """Wake the submitter if this is what it waits for. Called at most once for each station."""
        if self.awaited is station:
            self._signal.release()

    def event(self, kind: WorkEventKind) -> WorkEvent:
        """The event of a station, from the fields as they are now."""
        delay = self.start_delay if kind is WorkEventKind.STARTED else None
        result = self.result if kind is WorkEventKind.COMPLETED else None
        return WorkEvent(kind, self.work, self.error, delay, result)
