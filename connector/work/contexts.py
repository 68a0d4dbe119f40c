"""Which work contexts there are, and which of a work's contexts is which: assignment, duplicates, hints (FLOW-2).

An instance counts as the most specific *supported* type among its classes, and duplicates are judged by that type: two
different subclasses of SecurityContext are two security contexts. The public question `is_context_supported` is
narrower: it is about exactly that type (research/connectors.md 2.13).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, cast, final

from connector.spi import HintsContext, SecurityContext, WorkContext, WorkContextErrorCode


@dataclass(frozen=True, slots=True)
class ContextKind:
    """A type of work contexts that can be set up.

    To support a further one, give the work manager a `ContextKind` of it beside `STANDARD_KINDS`: from then on
    `is_context_supported` answers True for its type, an adapter's `required_work_contexts` may name it, and works may
    carry it. The order of the kinds is the order of their set-up. What a security context establishes is in force
    before any `around` is entered, wherever it stands in the table, and until the last of them has been left.

    Attributes:
        type: The class, exactly.
        around: Makes what is entered before `run` and left after it, on the thread of the work and in its own
            `contextvars.Context`, which a coroutine's task has a copy of. What entering raises means that the set-up
            failed: a WorkCompletedWithError as it is, anything else as CONTEXT_SETUP_FAILED. It is left with the error
            that the work completes with, if any, and can't swallow it; what leaving raises completes the work with an
            error. None: nothing has to be done around the work.
    """

    type: type[WorkContext]
    around: Callable[[Any], AbstractContextManager[None]] | None = None


#: What can be set up around a work by this room alone; the security context is what `execution` opens the scope from.
STANDARD_KINDS: Final = (ContextKind(HintsContext), ContextKind(SecurityContext))


class BadContext(Exception):
    """A context that can't be set up.

    Attributes:
        context: Which.
        code: What is wrong with it.
        problem: The same in words.
    """

    def __init__(self, context: WorkContext, code: WorkContextErrorCode, problem: str) -> None:
        super().__init__(problem)
        self.context = context
        self.code = code
        self.problem = problem


@final
class ContextTable:
    """The kinds that one work manager supports. Pure, but for what it remembers of classes; safe from any thread.

    Args:
        kinds: In the order of their set-up.
    """

    # Mutable state: `_type_of` and `_plain`, caches.

    def __init__(self, kinds: Sequence[ContextKind]) -> None:
        self.types: Final = frozenset(kind.type for kind in kinds)
        #: Those that have something to enter, in the order of their set-up.
        self.around: Final = tuple(kind for kind in kinds if kind.around is not None)
        # By class: walking through one's ancestors costs as much as all else that is done for a context.
        self._type_of = lru_cache(256)(self._find)
        self._plain = lru_cache(256)(self._is_plain)

    def only_caller(self, contexts: Sequence[WorkContext]) -> SecurityContext | None:
        """The security context, where there is no other and nothing is to be done but to establish its caller."""
        if len(contexts) == 1:
            only: Any = contexts[0]
            if self._plain(only.__class__):
                security: SecurityContext = only
                return security
        return None

    def assign(self, contexts: Sequence[WorkContext]) -> dict[type[WorkContext], WorkContext]:
        """Each context by its supported type. Raises BadContext for the first bad one."""
        assigned: dict[type[WorkContext], WorkContext] = {}
        for context in contexts:
            kind = self._type_of(type(context))
            if kind is None:
                problem = f"its context {type(context).__name__} is of no supported type"
                raise BadContext(context, WorkContextErrorCode.UNSUPPORTED_CONTEXT_TYPE, problem)
            if kind in assigned:
                problem = f"it has more than one {kind.name} context"
                raise BadContext(context, WorkContextErrorCode.DUPLICATE_CONTEXTS, problem)
            if kind is HintsContext and (problem := hint_problem(cast("HintsContext", context))):
                raise BadContext(context, WorkContextErrorCode.CONTEXT_SETUP_FAILED, problem)
            assigned[kind] = context
        return assigned

    def is_long_running(self, contexts: Sequence[WorkContext]) -> bool:
        """Whether the work has to run apart from short work; a wrong hint is judged later, by `assign`."""
        for context in contexts:
            if self._type_of(type(context)) is HintsContext and cast("HintsContext", context).long_running is True:
                return True
        return False

    def _is_plain(self, kind: type[WorkContext]) -> bool:
        if self._find(kind) is not SecurityContext or any(one.type is SecurityContext for one in self.around):
            return False
        return kind.context_setup_complete is WorkContext.context_setup_complete

    def _find(self, kind: type) -> type[WorkContext] | None:
        return next((ancestor for ancestor in kind.__mro__ if ancestor in self.types), None)


def hint_problem(hints: HintsContext) -> str:
    """What is wrong with a known hint, in words; empty if nothing. Unknown hints are ignored."""
    values: dict[str, tuple[Any, tuple[type, ...]]] = {
        "work_name": (hints.work_name, (str, type(None))),
        "long_running": (hints.long_running, (bool,)),
    }
    for name, (value, allowed) in values.items():
        if not isinstance(value, allowed):
            return f"its hint {name} is a {type(value).__name__}, not a {allowed[0].__name__}"
    return ""
