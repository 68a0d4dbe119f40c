"""One submitted work on its way through the manager: a record of plain fields."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, final

from connector.errors import WorkError
from connector.spi import SecurityContext, WorkContext, WorkEvent, WorkEventKind, WorkLike, WorkListener

if TYPE_CHECKING:
    from connector.work.account import Account
    from connector.work.lanes import Lane


class Station(Enum):
    """Where a submission is; only the ledger moves it, under its lock."""

    NEW = "new"
    QUEUED = "queued"
    HANDED = "handed to a thread"  # it has a slot; its thread is on its way, and a start timeout may still win
    RUNNING = "running"
    COMPLETED = "completed"
    REJECTED = "rejected"


class Awaited(Enum):
    """What the submitter waits for."""

    NOTHING = "nothing"
    START = "start"
    END = "end"


# Looked up on an enum's class a member costs six times as much as a global name, in Python 3.11.
_NOTHING: Final = Awaited.NOTHING


@final
class Submission:
    """One work with everything that belongs to its run.

    `station` and `waits` are the ledger's; the other fields that change (`start_delay`, `result`, `error`) are written
    by whoever moved the station, before `signal` is given, and read by the submitter after it.

    Attributes:
        work: What to run.
        contexts: Its work contexts.
        listener: Whom to tell, or None.
        awaited: What the submitter waits for.
        account: Of the adapter that submitted it.
        lane: That account's lane of the executor that it runs in.
        accepted_at: Monotonic seconds.
        deadline: Monotonic seconds until which it must have been started; infinite for no limit.
        call_off: Calls the start timer off, where there is one.
        station: Where it is.
        security: Its security context, where that is all there is to be set up.
        waits: How many waits for nested works are going on within it; it lends its slot while there are any.
        start_delay: Seconds from acceptance to start, once it has started.
        result: What `run` answered.
        error: Why it was rejected, or what it completed with.
        signal: Where somebody waits: taken; released once, at what is awaited or when that is not going to happen.
    """

    # Class attributes for what most works never change, and no slots: a work is made for every message.
    call_off: Callable[[], None] | None = None
    station = Station.NEW
    security: SecurityContext | None = None
    waits = 0
    start_delay: float | None = None
    result: Any = None
    error: WorkError | None = None

    def __init__(
        self,
        work: WorkLike,
        contexts: Sequence[WorkContext],
        listener: WorkListener | None,
        awaited: Awaited,
        account: Account,
        lane: Lane[Submission],
        accepted_at: float,
        deadline: float,
    ) -> None:
        self.work = work
        self.contexts = contexts
        self.listener = listener
        self.awaited = awaited
        self.account = account
        self.lane = lane
        self.accepted_at = accepted_at
        self.deadline = deadline
        # A bare lock, taken at birth and released once: the cheapest signal between two threads that there is (a
        # Future or an Event costs a Condition, twice as much as the whole dispatch).
        if awaited is not _NOTHING:
            self.signal = threading.Lock()
            self.signal.acquire()

    @property
    def long_running(self) -> bool:
        """Whether it runs apart from short work."""
        return self.lane is self.account.long

    def event(self, kind: WorkEventKind) -> WorkEvent:
        """The event of a station, from the fields as they are now."""
        delay = self.start_delay if kind is WorkEventKind.STARTED else None
        result = self.result if kind is WorkEventKind.COMPLETED and self.error is None else None
        return WorkEvent(kind, self.work, self.error, delay, result)
