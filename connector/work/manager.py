"""The container's work manager: `do_work`, `start_work`, `schedule_work` on threads (FLOW-1, FLOW-2).

Theory of operation
-------------------
`dispatch` is the way in. `ledger` decides each step of a submission under its lock, with `lanes` for whose turn it is;
`workers` runs what it lets through, `execution` is one run; `notices` tells listener and submitter.

=================  ===================  ==============================================
method             blocks until         a start timeout is told by
=================  ===================  ==============================================
`do_work`          the work has ended   WorkRejected, and the listener
`start_work`       it has started       WorkRejected, and the listener
`schedule_work`    it is accepted       the listener; WorkRejected for IMMEDIATE only
=================  ===================  ==============================================

IMMEDIATE needs a slot that is free for the submitting adapter at that moment, and never waits.  Seconds count from
acceptance to the thread's taking the work up; the submitter's wait and the start are judged by the same clock, so that
a work is either started in time or rejected, never both.

Shutdown has two phases: nothing more is accepted, and what is queued is rejected; then running works are told to
`release`, and waited for.  Coroutines that still run after that are cancelled by the end of the event loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any, final

from connector.security.domain import SecurityDomain
from connector.spi import (
    INDEFINITE,
    Clock,
    SystemClock,
    Work,
    WorkContext,
    WorkLike,
    WorkListener,
    WorkManager,
)
from connector.work.adapter_view import AdapterWorkManager
from connector.work.contexts import STANDARD_KINDS, ContextKind, ContextTable
from connector.work.dispatch import WorkDispatch
from connector.work.event_loop import EventLoopThread
from connector.work.execution import WorkExecution, name_of
from connector.work.ledger import WorkLedger
from connector.work.limits import WorkLimits
from connector.work.statistics import WorkStatistics
from connector.work.submission import Submission

_log = logging.getLogger("connector.work")


@final
class ContainerWorkManager:
    """Runs works on daemon threads of its own, coroutines on the container's event loop (implements `spi.WorkManager`).

    What an adapter uses is a view of it, `for_adapter`; what is submitted here is the container's own. Safe to use from
    any thread. A nested work (one submitted by a running work) gets a thread and a context of its own and inherits
    nothing; while its submitter waits, the submitter's slot is lent out, so nesting can't starve itself.

    Args:
        identity: Who validates and asserts callers.
        container: The container's name.
        realm: The application's realm.
        limits: How many works may run at once.
        clock: The time.
        loop: The container's event loop; also the start timeouts' timer.
        context_kinds: The work contexts that can be set up; see `contexts.ContextKind` on how to add one.
    """

    # Mutable state: all of it is in the ledger.

    def __init__(
        self,
        identity: SecurityDomain,
        *,
        container: str,
        realm: str,
        limits: WorkLimits | None = None,
        clock: Clock | None = None,
        loop: EventLoopThread,
        context_kinds: Sequence[ContextKind] = STANDARD_KINDS,
    ) -> None:
        table = ContextTable(context_kinds)
        self._ledger = WorkLedger(limits or WorkLimits())
        execution = WorkExecution(identity, container=container, realm=realm, loop=loop, table=table)
        self._dispatch = WorkDispatch(container, self._ledger, execution, table, clock or SystemClock(), loop)

    def for_adapter(self, adapter: str) -> WorkManager:
        """The work manager as one adapter sees it, with limits, turns and figures of its own (FLOW-1).

        Its name stands in the origin of its works' scopes. One thread is kept for each adapter that has asked for its
        view, see `lanes`. An empty name is the container itself. Does not block.
        """
        return AdapterWorkManager(self._dispatch, self._ledger.account(adapter))

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up; a subclass is another type. Does not block."""
        return self._dispatch.supports(context_type)

    def statistics(self) -> tuple[WorkStatistics, ...]:
        """The figures of each adapter at this instant, by its name. Does not block."""
        return self._ledger.statistics()

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> Any:
        """`AdapterWorkManager.do_work` for the container itself."""
        own = self.for_adapter("")
        return own.do_work(work, contexts=contexts, start_timeout=start_timeout, listener=listener)

    def start_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> float:
        """`AdapterWorkManager.start_work` for the container itself."""
        own = self.for_adapter("")
        return own.start_work(work, contexts=contexts, start_timeout=start_timeout, listener=listener)

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> None:
        """`AdapterWorkManager.schedule_work` for the container itself."""
        own = self.for_adapter("")
        own.schedule_work(work, contexts=contexts, start_timeout=start_timeout, listener=listener)

    def shutdown(self, timeout: float = 5.0) -> tuple[WorkLike, ...]:
        """End: accept nothing more, reject what is queued, tell running works to `release`, wait for them.

        Blocks at most `timeout` seconds, whatever works and listeners do, and answers the works that still run then,
        oldest first; they are left on their daemon threads. Raises nothing; harmless when called again.
        """
        end = time.monotonic() + timeout  # of the threads' waits, which know no other clock
        queued, running = self._ledger.stop()
        if running:
            # On a thread of its own: a `release` that blocks against its contract must not stop the shutdown.
            threading.Thread(target=_release, args=(running,), name="connector-work-release", daemon=True).start()
        told = self._dispatch.reject_all(queued)
        left = self._ledger.wait_drained(timeout)
        for event in told:
            event.wait(max(0.0, end - time.monotonic()))
        self._dispatch.stop()
        return tuple(submission.work for submission in left)


def _release(running: tuple[Submission, ...]) -> None:
    for submission in running:
        if isinstance(submission.work, Work):
            try:
                submission.work.release()
            except Exception as error:  # noqa: BLE001 - a hint; the others must get theirs
                _log.warning("release of %s raised %s", name_of(submission.work), type(error).__name__)
