"""The work manager as one adapter sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, final

from connector.spi import INDEFINITE, WorkContext, WorkLike, WorkListener
from connector.work.submission import Awaited

if TYPE_CHECKING:
    from connector.work.account import Account
    from connector.work.dispatch import WorkDispatch

_NOTHING: Final = Awaited.NOTHING
_START: Final = Awaited.START
_END: Final = Awaited.END


@final
class AdapterWorkManager:
    """What an adapter submits its works to (implements `spi.WorkManager`). Safe to use from any thread.

    Args:
        dispatch: The way in.
        account: The adapter's lanes and counts.
    """

    __slots__ = ("_dispatch", "_account")

    def __init__(self, dispatch: WorkDispatch, account: Account) -> None:
        self._dispatch = dispatch
        self._account = account

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> Any:
        """Run and wait for the end; answers what `run` returned (FLOW-1).

        Blocks until completion, without limit. Raises WorkRejected (not started within `start_timeout` seconds,
        stopping, on the event loop's thread, not a work), WorkCompletedWithError with the cause. An interrupt ends the
        wait, not the work.
        """
        submission = self._dispatch.submit_and_wait(_END, self._account, work, contexts, start_timeout, listener)
        if submission.error is not None:
            raise submission.error
        return submission.result

    def start_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> float:
        """Run and wait for the start; answers the seconds from acceptance to start (FLOW-1).

        Blocks until the start, at most `start_timeout` seconds. Raises WorkRejected like `do_work`. How the work ends
        is told to the listener only.
        """
        submission = self._dispatch.submit_and_wait(_START, self._account, work, contexts, start_timeout, listener)
        if submission.start_delay is None:
            raise submission.error or AssertionError("neither started nor rejected")
        return submission.start_delay

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> None:
        """Run some time; returns once it is accepted (FLOW-1).

        Does not block. Raises WorkRejected where it isn't accepted; a later rejection is told to the listener only.
        """
        self._dispatch.submit(_NOTHING, self._account, work, contexts, start_timeout, listener)

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up; a subclass is another type. Does not block."""
        return self._dispatch.supports(context_type)
