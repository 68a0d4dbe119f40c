"""Running one work: contexts, scope, `run`, and a clean end whatever is raised (FLOW-2, FLOW-4)."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from contextvars import copy_context
from functools import lru_cache
from types import CoroutineType, MappingProxyType
from typing import Any, Final, cast, final

from connector.errors import ConnectorError, Reason, WorkCompletedWithError
from connector.security.domain import SecurityDomain
from connector.security.scope import run_in_scope
from connector.spi import (
    Scope,
    SecurityContext,
    Work,
    WorkContext,
    WorkContextErrorCode,
    WorkErrorCode,
)
from connector.work.contexts import BadContext, ContextKind, ContextTable
from connector.work.event_loop import EventLoopThread
from connector.work.inflow import NOBODY
from connector.work.inflow_handler import establish_subject
from connector.work.running import RUNNING, Lender
from connector.work.submission import Submission

_log = logging.getLogger("connector.work")

_NO_NOTICE: Final = WorkContext.context_setup_complete
_NO_CONTEXTS: Final[Mapping[type[WorkContext], WorkContext]] = MappingProxyType({})

CONTEXT_UNUSABLE = Reason(
    "CF-WORK-010",
    "the work {work} was not run: {problem}.",
    "Submit it with at most one context of each type that `is_context_supported` answers for.",
)
SETUP_FAILED = Reason(
    "CF-WORK-011",
    "the work {work} was not run, its {kind} context could not be set up: {cause}.",
    "See the cause; nothing of the work ran under any identity.",
)
WORK_RAISED = Reason(
    "CF-WORK-012",
    "the work {work} raised {cause}.",
    "See the cause; the error is the work's own.",
)


ENDED_BADLY = Reason(
    "CF-WORK-013",
    "the work {work} ran, and what stands around it could not be ended: {cause}.",
    "See the cause; the work itself had come to its end.",
)


@final
class WorkExecution:
    """Runs submissions, each on the calling thread; keeps nothing between two of them.

    Args:
        identity: Who is who.
        container: The container's name, for the scope.
        realm: The container's realm, for the scopes of works whose security context names no other.
        loop: Where coroutines run.
        table: The work contexts that can be set up.
    """

    def __init__(
        self,
        identity: SecurityDomain,
        *,
        container: str,
        realm: str,
        loop: EventLoopThread,
        table: ContextTable,
    ) -> None:
        self._identity = identity
        self._container = container
        self._realm = realm
        self._loop = loop
        self._table = table
        self._entered = frozenset(kind.type for kind in table.around)

    def execute(self, threads: Lender, submission: Submission) -> None:
        """Run it and put the outcome into its `result` or `error`. Blocks as long as the work does; raises nothing.

        To be called in a `contextvars.Context` made for this one work: whatever the work sets is gone with it, and
        nothing of the submitter, of an earlier work or of a failed set-up is seen in it (FLOW-4).

        Args:
            threads: Who lends the work's slot while it waits for a nested one.
            submission: What to run.
        """
        RUNNING.set((threads, submission))
        try:
            subject, rule, contexts, realm = NOBODY, "no caller", _NO_CONTEXTS, self._realm
            if submission.contexts:
                security = submission.security
                if security is None:
                    contexts = self._assigned(submission)
                    security = cast("SecurityContext | None", contexts.get(SecurityContext))
                if security is not None:
                    try:
                        decision = establish_subject(security, self._identity)
                    except BaseException as error:
                        _tell_failed(security, WorkContextErrorCode.CONTEXT_SETUP_FAILED)
                        raise _not_set_up(submission, security, error) from error
                    subject, rule = decision.subject or NOBODY, decision.rule
                    realm = security.realm or realm
            scope = Scope(subject, realm, self._container, submission.account.origin(rule))
            submission.result = run_in_scope(scope, self._run_within if contexts else self._run, submission, contexts)
        except WorkCompletedWithError as error:
            submission.error = error
        except BaseException as error:  # noqa: BLE001 - a thread of ours ends with no work, whatever ends badly
            submission.error = _completed(ENDED_BADLY, WorkErrorCode.INTERNAL, submission, error)

    def _assigned(self, submission: Submission) -> Mapping[type[WorkContext], WorkContext]:
        try:
            return self._table.assign(submission.contexts)
        except BadContext as bad:
            _tell_failed(bad.context, bad.code)
            raise WorkCompletedWithError(
                CONTEXT_UNUSABLE, error_code=bad.code, work=name_of(submission.work), problem=bad.problem
            ) from None

    def _run_within(self, submission: Submission, contexts: Mapping[type[WorkContext], WorkContext]) -> Any:
        for kind, context in contexts.items():
            if context.__class__.context_setup_complete is not _NO_NOTICE and kind not in self._entered:
                _tell_complete(context)
        if self._entered.isdisjoint(contexts):
            return self._run(submission, contexts)
        result = None
        with ExitStack() as stack:
            for one in self._table.around:
                if one.type in contexts:
                    _enter(one, contexts[one.type], stack, submission)
            try:
                result = self._run(submission, contexts)
            except WorkCompletedWithError as error:
                submission.error = error  # kept here as well: what is left around it must not swallow it
                raise
        return result

    def _run(self, submission: Submission, _contexts: Mapping[type[WorkContext], WorkContext]) -> Any:
        work: Any = submission.work
        try:
            result = work.run() if _is_work(work.__class__) else work()
            if type(result) is CoroutineType:
                result = self._loop.run(result, copy_context())
        except BaseException as error:  # a thread of ours ends with no work, whatever it raises
            raise _completed(WORK_RAISED, WorkErrorCode.UNDEFINED, submission, error) from error
        return result


@lru_cache(256)
def _is_work(kind: type) -> bool:
    """`isinstance` of an abstract class costs as much as the whole set-up of a scope; classes are few."""
    return issubclass(kind, Work)


def _enter(kind: ContextKind, context: WorkContext, stack: ExitStack, submission: Submission) -> None:
    try:
        if kind.around is not None:
            stack.enter_context(kind.around(context))
    except WorkCompletedWithError as error:
        code = error.error_code
        refused = isinstance(code, WorkContextErrorCode)
        _tell_failed(context, code if refused else WorkContextErrorCode.CONTEXT_SETUP_FAILED)
        raise
    except BaseException as error:
        _tell_failed(context, WorkContextErrorCode.CONTEXT_SETUP_FAILED)
        raise _not_set_up(submission, context, error) from error
    _tell_complete(context)


def _not_set_up(submission: Submission, context: WorkContext, error: BaseException) -> WorkCompletedWithError:
    return WorkCompletedWithError(
        SETUP_FAILED,
        explanation=getattr(error, "explanation", None),
        error_code=WorkContextErrorCode.CONTEXT_SETUP_FAILED,
        work=name_of(submission.work),
        kind=context.name,
        cause=safe_text(error),
    )


def _completed(
    reason: Reason, code: WorkErrorCode, submission: Submission, cause: BaseException
) -> WorkCompletedWithError:
    error = WorkCompletedWithError(reason, error_code=code, work=name_of(submission.work), cause=safe_text(cause))
    error.__cause__ = cause
    return error


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
