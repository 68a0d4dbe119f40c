"""The current scope: which identity is in force on this thread or task (architecture rule 8, FLOW-4).

Theory of operation
-------------------
One contextvar holds the :class:`connector.spi.Scope` in force, or None.  A contextvar follows `await` and new asyncio
tasks by itself and does *not* follow into a plain thread, so an identity is never inherited there by accident:
`capture` carries it on purpose.

A task that a handler leaves behind keeps its own copy of the context for ever, and a contextvar can't be reset from
another context.  So taking the identity away does not rely on the reset: every context holds the *same* scope object,
its owner closes it, and from then on `current_scope` refuses it wherever it is still seen.  The reset only brings back
what was in force before.

A plain generator has no context of its own: a scope that it holds open across a `yield` is in force for whoever
iterates it, and one that is closed after the scope around it has ended brings that one back, closed and so refused.
Don't yield within a login, except in a context manager.

Opening and closing is one set and one reset; there is no lock and no registry of scopes.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from threading import RLock
from types import TracebackType
from typing import Final, ParamSpec, TypeVar, final

from connector.errors import Reason, ScopeError
from connector.spi import Scope, Subject
from connector.spi.scope import Lender

P = ParamSpec("P")
R = TypeVar("R")
A = TypeVar("A")
B = TypeVar("B")

SCOPE_OVER = Reason(
    "CF-SEC-001",
    "the identity {caller} on this thread or task is over: the {origin} has ended.",
    "A task or thread was left behind; wait for it before its login or work ends, or let it log in itself.",
)
CAPTURED_SCOPE_OVER = Reason(
    "CF-SEC-002",
    "the captured identity {caller} is over: the {origin} ended before the function was run.",
    "Run it while the login or work that it was captured in lasts.",
)

#: Held while somebody joins a scope's lenders: several of one scope may do so on several threads at once.
_JOINING: Final = RLock()

#: The scope in force. Read it through `current_scope`, which refuses a closed one; only this module sets it.
CURRENT_SCOPE: ContextVar[Scope | None] = ContextVar("connector.scope", default=None)


def current_scope() -> Scope | None:
    """The scope in force on the running thread or task; None where nobody has logged in. Does not block.

    Raises:
        ScopeError: The identity was in force here and has ended (CF-SEC-001): a leftover task or thread.
    """
    scope = CURRENT_SCOPE.get()
    if scope is not None and not scope.open:
        raise ScopeError(SCOPE_OVER, caller=scope.subject.caller, origin=scope.origin)
    return scope


def current_subject() -> Subject | None:
    """The subject in force; None where nobody has logged in. Does not block. Raises ScopeError as `current_scope`."""
    scope = current_scope()
    return None if scope is None else scope.subject


@final
class open_scope:  # noqa: N801 - used as a function: `with open_scope(...)`; a class saves a generator on the hot path
    """A context manager that puts a subject in force for what runs within it, and for nothing else (FLOW-4).

    Whatever the block raises, the scope is closed when it ends, also where it ends in another context than it began in
    (an async generator finalised by another task): there the reset isn't possible and isn't needed.
    Use it once; to nest, make another. Does not block.

    Args:
        subject: Whom; becomes read-only.
        realm: The realm of the application or container that opens it.
        container: That container's name.
        origin: Where the identity comes from, in words: "login of alice", "work 17 of adapter bus".

    Entering answers the :class:`connector.spi.Scope`.
    """

    __slots__ = ("_scope", "_token")

    def __init__(self, subject: Subject, *, realm: str, container: str, origin: str) -> None:
        self._scope = Scope(subject, realm, container, origin)
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> Scope:
        if self._token is not None or not self._scope.open:
            raise RuntimeError("this scope has been opened before; open another one")
        self._token = CURRENT_SCOPE.set(self._scope)
        return self._scope

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._scope.open = False  # first: from here on nobody acts as this subject, whatever the reset does
        token, self._token = self._token, None
        _bring_back(token)
        if self._scope.lenders:
            for lender in self._scope.lenders:
                lender.scope_ended(self._scope)

    def __repr__(self) -> str:
        return f"<open_scope {self._scope!r}>"


def join_scope(scope: Scope, lender: Lender) -> None:
    """Have somebody told when the scope ends. Does not block; harmless when called twice."""
    with _JOINING:
        if lender not in scope.lenders:
            scope.lenders += (lender,)


def leave_scope(scope: Scope, lender: Lender) -> None:
    """Have somebody told no more. Does not block; harmless where it has not joined."""
    with _JOINING:
        scope.lenders = tuple(each for each in scope.lenders if each is not lender)


def run_in_scope(scope: Scope, function: Callable[[A, B], R], one: A, two: B, /) -> R:
    """Call the function within a new scope, in a `contextvars.Context` that was made for this call alone.

    Like `open_scope`, at half the cost: in a context that nobody uses afterwards nothing has to be brought back. Blocks
    as long as the function does; raises what it raises.
    """
    CURRENT_SCOPE.set(scope)
    try:
        return function(one, two)
    finally:
        scope.open = False
        if scope.lenders:
            for lender in scope.lenders:
                lender.scope_ended(scope)


@final
class no_scope:  # noqa: N801 - used as a function, like open_scope
    """A context manager within which no identity is in force: a nested work, the container's own threads.

    Hides a closed scope as well. Nestable, not to be entered twice. Does not block.
    """

    __slots__ = ("_token",)

    def __init__(self) -> None:
        self._token: Token[Scope | None] | None = None

    def __enter__(self) -> None:
        self._token = CURRENT_SCOPE.set(None)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        token, self._token = self._token, None
        _bring_back(token)


@final
class CapturedScope:
    """The identity in force where `capture` was called, to be carried to another thread.

    Holds the scope itself, not a copy: when its login or work ends, what runs on the other thread loses it too.
    Safe to share between threads, and to run more than once.
    """

    __slots__ = ("_scope",)

    def __init__(self, scope: Scope | None) -> None:
        self._scope = scope

    def run(self, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call the function under the captured identity (under none, where there was none) and answer its result.

        Blocks as long as the function does. A coroutine function only *makes* its coroutine here: asyncio carries the
        identity by itself, await it where it is in force.

        Raises:
            ScopeError: The identity ended before the call (CF-SEC-002), or within it at its next use (CF-SEC-001).
        """
        scope = self._scope
        if scope is not None and not scope.open:
            raise ScopeError(CAPTURED_SCOPE_OVER, caller=scope.subject.caller, origin=scope.origin)
        token = CURRENT_SCOPE.set(scope)
        try:
            return function(*args, **kwargs)
        finally:
            _bring_back(token)

    def __repr__(self) -> str:
        return f"<CapturedScope of {self._scope!r}>"


def capture() -> CapturedScope:
    """Capture the identity in force, for `CapturedScope.run` on another thread. Does not block.

    Raises:
        ScopeError: The identity here is already over (CF-SEC-001).
    """
    return CapturedScope(current_scope())


def _bring_back(token: Token[Scope | None] | None) -> None:
    """Reset to what was in force before, where this is the context that it was set in."""
    if token is None:
        return
    try:
        CURRENT_SCOPE.reset(token)
    except ValueError:
        # Another context than the one it was set in: that one still sees the scope, which is closed and so refused.
        return
