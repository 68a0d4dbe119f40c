"""The outcome of a login, as a context manager."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol, final

from connector.errors import Reason, ScopeError
from connector.spi import Scope, Subject

LOGIN_IN_FORCE = Reason(
    "CF-CTR-011",
    "the {origin} was entered a second time while it is in force.",
    "Log in once for each thread and each nested block.",
)


class RunAs(Protocol):
    """What opens the scope: `Container.run_as`."""

    def __call__(self, subject: Subject, *, origin: str) -> AbstractContextManager[Scope]:
        """For as long as the block lasts, the subject is the caller."""
        ...


@final
class LoginScope:
    """The outcome of a login: `with` it, the user is the caller. Can be entered again, but once at a time.

    Raises ScopeError (CF-CTR-011) where it is entered while it is in force, here or on another thread.
    """

    def __init__(self, run_as: RunAs, subject: Subject, origin: str) -> None:
        self.subject = subject
        self._run_as = run_as
        self._origin = origin
        # Held while it is in force: of two threads that enter at once exactly one gets in, and each exit closes the
        # scope that its own enter has opened.
        self._in_force = threading.Lock()
        self._entered: AbstractContextManager[Scope] | None = None  # mutable, of whoever holds the lock

    def __enter__(self) -> Scope:
        if not self._in_force.acquire(blocking=False):
            raise ScopeError(LOGIN_IN_FORCE, origin=self._origin)
        try:
            self._entered = self._run_as(self.subject, origin=self._origin)
            return self._entered.__enter__()
        except BaseException:
            self._entered = None
            self._in_force.release()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        entered, self._entered = self._entered, None
        if entered is None:
            return
        try:
            entered.__exit__(kind, error, trace)
        finally:
            self._in_force.release()
