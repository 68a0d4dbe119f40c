"""Which work contexts there are, and which of a work's contexts is which: assignment, duplicates, hints (FLOW-2).

An instance counts as the most specific *supported* type among its classes, and duplicates are judged by that type: two
different subclasses of SecurityContext are two security contexts. The public question `is_context_supported` is
narrower: it is about exactly that type (research/connectors.md 2.13).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final

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


@dataclass(frozen=True, slots=True)
class Assignment:
    """The contexts by supported type, or the first that can't be used.

    Attributes:
        contexts: The usable ones by their supported type.
        bad: The context at fault, or None.
        code: What is wrong with it.
        problem: The same in words; empty where nothing is wrong.
    """

    contexts: dict[type[WorkContext], WorkContext]
    bad: WorkContext | None = None
    code: WorkContextErrorCode | None = None
    problem: str = ""


def assign_contexts(contexts: Sequence[WorkContext], supported: Collection[type[WorkContext]]) -> Assignment:
    """Assign each context to its supported type; stops at the first bad one. Pure; raises nothing."""
    assigned: dict[type[WorkContext], WorkContext] = {}
    for context in contexts:
        kind = supported_type(context, supported)
        if kind is None:
            problem = f"its context {type(context).__name__} is of no supported type"
            return Assignment(assigned, context, WorkContextErrorCode.UNSUPPORTED_CONTEXT_TYPE, problem)
        if kind in assigned:
            problem = f"it has more than one {kind.name} context"
            return Assignment(assigned, context, WorkContextErrorCode.DUPLICATE_CONTEXTS, problem)
        if isinstance(context, HintsContext) and (problem := hint_problem(context)):
            return Assignment(assigned, context, WorkContextErrorCode.CONTEXT_SETUP_FAILED, problem)
        assigned[kind] = context
    return Assignment(assigned)


def supported_type(context: object, supported: Collection[type[WorkContext]]) -> type[WorkContext] | None:
    """The most specific supported type that the context is an instance of, or None."""
    return next((kind for kind in type(context).__mro__ if kind in supported), None)


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


def is_long_running(contexts: Sequence[WorkContext]) -> bool:
    """Whether the work has to run apart from short work. Pure; a wrong hint is judged later, by `assign_contexts`."""
    return any(isinstance(context, HintsContext) and context.long_running is True for context in contexts)
