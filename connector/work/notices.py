"""Telling a submission's listener and its submitter how far the work is."""

from __future__ import annotations

import logging
import threading

from connector.errors import WorkRejected
from connector.spi import WorkEventKind
from connector.work.submission import Submission

_log = logging.getLogger("connector.work")


def tell(submission: Submission, kind: WorkEventKind) -> None:
    """Tell the listener, if there is one. What it raises is logged by type and dropped, as its contract says.

    An interrupt of the main thread passes: it is the user's, not the listener's.
    """
    if submission.listener is None:
        return
    try:
        submission.listener(submission.event(kind))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread():
            raise
        _log.warning("a work listener raised %s at %s", type(error).__name__, kind.value)


def reject(submission: Submission, error: WorkRejected) -> None:
    """Tell listener and submitter that the work will not run. The ledger has moved it to REJECTED, or never had it."""
    submission.error = error
    if submission.call_off is not None:
        submission.call_off()
    tell(submission, WorkEventKind.REJECTED)
    submission.reached(submission.awaited)
