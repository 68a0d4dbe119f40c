"""Running one work: contexts, scope, `run`, and a clean end whatever is raised (FLOW-2, FLOW-4)."""

from __future__ import annotations

import inspect
import logging
from contextvars import copy_context
from typing import Any, final

from connector.errors import ConnectorError, Reason, WorkCompletedWithError
from connector.security.domain import SecurityDomain
from connector.security.scope import open_scope
from connector.spi import (
    SecurityContext,
    Subject,
    Work,
    WorkContext,
    WorkContextErrorCode,
    WorkErrorCode,
)
from connector.work.contexts import assign_contexts
from connector.work.event_loop import EventLoopThread
from connector.work.inflow import NOBODY
from connector.work.inflow_handler import establish_subject
from connector.work.submission import Submission

_log = logging.getLogger("connector.work")

CONTEXT_UNUSABLE = Reason(
    "CF-WORK-010",
    "the work {work} was not run: {problem}.",
    "Submit it with at most one context of each type that `is_context_supported` answers for.",
)
SECURITY_SETUP_FAILED = Reason(
    "CF-WORK-011",
    "the work {work} was not run, its security context could not be set up: {cause}.",
    "See the cause; nothing ran under any identity.",
)
WORK_RAISED = Reason(
    "CF-WORK-012",
    "the work {work} raised {cause}.",
    "See the cause; the error is the work's own.",
)


@final
class WorkExecution:
    """Runs submissions, each on the calling thread; keeps nothing between two of them.

    Args:
        identity: Who is who.
        container: The container's name, for the scope.
        realm: The container's realm, for the scopes of works whose security context names no other.
        loop: Where coroutines run.
    """

    def __init__(self, identity: SecurityDomain, *, container: str, realm: str, loop: EventLoopThread) -> None:
        self._identity = identity
        self._container = container
        self._realm = realm
        self._loop = loop

    def execute(self, submission: Submission) -> None:
        """Run it and put the outcome into its `result` or `error`. Blocks as long as the work does; raises nothing.

        To be called in a `contextvars.Context` made for this one work: whatever the work sets is gone with it, and
        nothing of the submitter, of an earlier work or of a failed set-up is seen in it (FLOW-4).
        """
        try:
            subject, origin, told = self._set_up(submission)
            realm = next((c.realm for c in told if isinstance(c, SecurityContext) and c.realm), self._realm)
            with open_scope(subject, realm=realm, container=self._container, origin=origin):
                for context in told:
                    _tell_complete(context)
                submission.result = self._run(submission)
        except WorkCompletedWithError as error:
            submission.error = error

    def _set_up(self, submission: Submission) -> tuple[Subject, str, tuple[WorkContext, ...]]:
        if not submission.contexts:
            return NOBODY, f"work of {submission.submitter}, no caller", ()
        assignment = assign_contexts(submission.contexts)
        if assignment.code is not None:
            _tell_failed(assignment.bad, assignment.code)
            raise WorkCompletedWithError(
                CONTEXT_UNUSABLE,
                error_code=assignment.code,
                work=name_of(submission.work),
                problem=assignment.problem,
            )
        security = assignment.contexts.get(SecurityContext)
        subject, rule = NOBODY, "no caller"
        if isinstance(security, SecurityContext):
            try:
                decision = establish_subject(security, self._identity)
            except BaseException as error:
                _tell_failed(security, WorkContextErrorCode.CONTEXT_SETUP_FAILED)
                raise WorkCompletedWithError(
                    SECURITY_SETUP_FAILED,
                    explanation=getattr(error, "explanation", None),
                    error_code=WorkContextErrorCode.CONTEXT_SETUP_FAILED,
                    work=name_of(submission.work),
                    cause=safe_text(error),
                ) from error
            subject, rule = decision.subject or NOBODY, decision.rule
        return subject, f"work of {submission.submitter}, {rule}", tuple(assignment.contexts.values())

    def _run(self, submission: Submission) -> Any:
        work = submission.work
        try:
            result = work.run() if isinstance(work, Work) else work()
            if inspect.iscoroutine(result):
                result = self._loop.run(result, copy_context())
        except BaseException as error:  # a thread of ours ends with no work, whatever it raises
            raise WorkCompletedWithError(
                WORK_RAISED, error_code=WorkErrorCode.UNDEFINED, work=name_of(work), cause=safe_text(error)
            ) from error
        return result


def name_of(work: object) -> str:
    """A work's name for logs and errors: of its class or function, never its `repr`, which may show what it holds."""
    name = getattr(work, "__qualname__", None)
    return name if isinstance(name, str) else type(work).__qualname__


def safe_text(error: BaseException) -> str:
    """What may be said of an error: ours with code and text, anybody else's by type, its text may hold a secret."""
    return f"{error.code}: {error.text}" if isinstance(error, ConnectorError) else type(error).__name__


def _tell_complete(context: WorkContext) -> None:
    try:
        context.context_setup_complete()
    except BaseException as error:  # noqa: BLE001 - a notice can't undo what it tells
        _log.warning("context_setup_complete of %s raised %s", type(context).__name__, type(error).__name__)


def _tell_failed(context: WorkContext | None, code: WorkContextErrorCode) -> None:
    try:
        if isinstance(context, WorkContext):
            context.context_setup_failed(code)
    except BaseException as error:  # noqa: BLE001 - a notice can't undo what it tells
        _log.warning("context_setup_failed of %s raised %s", type(context).__name__, type(error).__name__)
