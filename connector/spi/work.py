"""Work: what an adapter asks the container to run, in which context (FLOW-1, FLOW-2)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, ClassVar, Protocol, TypeAlias

from connector.spi.callbacks import CallbackHandler
from connector.spi.subject import Subject

#: Start timeouts in seconds: not at all, and without limit.
IMMEDIATE = 0.0
INDEFINITE = float("inf")
#: What `WorkManager.start_work` answers where the delay until the start is not known. As a start timeout it is refused,
#: as every negative one is.
UNKNOWN = -1.0


class Work(ABC):
    """One piece of work, run once on a thread of the container; or give a plain callable or coroutine function.

    Not to be locked as a whole: `release` comes from another thread while `run` runs.
    """

    @abstractmethod
    def run(self) -> Any:
        """Do it. Under the subject that its security context establishes, and under no identity without one.

        May be `async def`: then it runs on the container's event loop, and must not block it. What it answers is the
        result for `do_work`, what it raises completes the work with an error, a BaseException as well.
        """

    def release(self) -> None:
        """A hint from another thread, at shutdown, to come to an end soon. Must not block.

        Called at most once, and only while the work runs; what it raises is logged.
        """


WorkLike: TypeAlias = Work | Callable[[], Any] | Callable[[], Coroutine[Any, Any, Any]]


class WorkContext(ABC):
    """Something that has to be set up around a work; at most one of each supported type.

    Made for one work; its methods are called on that one's thread.
    """

    #: For the log.
    name: ClassVar[str] = "work context"

    def context_setup_complete(self) -> None:
        """Called after the context was set up, before `run`, on its thread. What it raises is logged and dropped."""

    def context_setup_failed(self, error_code: WorkContextErrorCode) -> None:
        """Called when it could not be set up; `run` is not called. What it raises is logged and dropped."""


class SecurityContext(WorkContext):
    """Establishes the execution subject of a work (FLOW-3).

    Attributes:
        realm: The realm that is decided in: that of the application which the work is for
            (`MessageEndpointFactory.realm`). None for the container's own; one that the container doesn't have fails
            the set-up.
    """

    name = "security"
    realm: str | None = None

    @abstractmethod
    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Say who the caller is: by callbacks to `handler`, or by filling `execution_subject` from a ready subject.

        Never both. Called on the thread that will run the work, before `run`; may block. Doing nothing means the
        unauthenticated caller. Raising means failure: `run` is then not called.
        """


class HintsContext(WorkContext):
    """Hints on how to run a work; unknown ones are ignored.

    Attributes:
        work_name: A name for the log, or None.
        long_running: Whether it may take long, a listener's loop for example: runs apart from short work, on a thread
            of its own, of which there is a limit of its own as well.
    """

    name = "hints"

    def __init__(self, work_name: str | None = None, *, long_running: bool = False) -> None:
        self.work_name = work_name
        self.long_running = long_running


class TransactionContext(WorkContext):
    """Imports a transaction whose superior is elsewhere: the work takes part in it (FLOW-8).

    One work of a transaction at a time: a second one, and one that comes while it is being ended, completes with
    CONCURRENT_WORK_DISALLOWED. Ended through `TransactionService.terminator`.

    Attributes:
        xid: The superior's identifier of the transaction, at most 300 characters; of all adapters the same.
        timeout: Seconds from its first work until it can only be rolled back; None for no limit.
    """

    name = "transaction"

    def __init__(self, xid: str, timeout: float | None = None) -> None:
        self.xid = xid
        self.timeout = timeout


class WorkErrorCode(Enum):
    """Why a work was rejected, or completed with an error, for other than context reasons."""

    INTERNAL = "internal"
    UNDEFINED = "undefined"
    START_TIMED_OUT = "start-timed-out"
    CONCURRENT_WORK_DISALLOWED = "concurrent-work-disallowed"
    RECREATE_FAILED = "recreate-failed"


class WorkContextErrorCode(Enum):
    """Why a work's context could not be set up: a family of its own (in the original the numbers collide)."""

    UNSUPPORTED_CONTEXT_TYPE = "unsupported-context-type"
    DUPLICATE_CONTEXTS = "duplicate-contexts"
    CONTEXT_SETUP_FAILED = "context-setup-failed"
    CONTEXT_SETUP_UNSUPPORTED = "context-setup-unsupported"


class WorkEventKind(Enum):
    """The stations of a work."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    STARTED = "started"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class WorkEvent:
    """What a listener is told.

    Attributes:
        kind: Which station.
        work: The work as submitted.
        error: The rejection or completion error; None for success.
        start_delay: Seconds from acceptance to start, with STARTED; else None.
        result: What `run` returned, with COMPLETED and no error.
    """

    kind: WorkEventKind
    work: WorkLike
    error: BaseException | None = None
    start_delay: float | None = None
    result: Any = None


class WorkListener(Protocol):
    """Is told of a work's stations, from any thread; must not block, what it raises is logged and dropped."""

    def __call__(self, event: WorkEvent) -> None:
        """Take one event."""
        ...


class WorkManager(Protocol):
    """Runs work on the container's threads or event loop. Safe to call from any thread.

    A work never inherits anything of whoever submits it: neither the identity nor other context variables. A bad
    context is no rejection: the work is accepted, started, and completed with an error, `run` is never called (FLOW-2).

    Every adapter has a line of its own, first in, first out, and takes turns with the others; how many works may run at
    once, of all adapters and of one, is the deployer's `[work]`. A work that waits here for a nested one lends its
    place meanwhile, so that nested works run even where only one may: they start in the order of their submission, and
    each `do_work` ends before the one around it. A start timeout is in seconds from acceptance; IMMEDIATE is refused
    unless the work can start at once, INDEFINITE never times out.
    """

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> Any:
        """Run and wait for the end; answers what `run` returned.

        Blocks until completion. Raises WorkRejected (not started within `start_timeout` seconds, or stopping),
        WorkCompletedWithError (with what `run` raised as its cause).
        """
        ...

    def start_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> float:
        """Run and wait for the start; answers the seconds from acceptance to start.

        Blocks until the start. Raises WorkRejected.
        """
        ...

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> None:
        """Run some time; returns once it is accepted. A later rejection is told to the listener only.

        Does not block. Raises WorkRejected where it can't be accepted: stopping, or IMMEDIATE and no thread is free.
        """
        ...

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up. Does not block."""
        ...
