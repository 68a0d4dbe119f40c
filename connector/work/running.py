"""Which work runs here."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Protocol

from connector.work.submission import Submission


class Lender(Protocol):
    """The threads that run a work, as far as its nested works need them."""

    def begin_wait(self, submission: Submission) -> None:
        """The work begins to wait for another one, and lends its slot."""
        ...

    def end_wait(self, submission: Submission) -> None:
        """It goes on."""
        ...


#: The work that runs here, and whose threads run it. It follows the work's own coroutines and whatever it carries its
#: context to (`asyncio.to_thread`), so that they lend the work's slot when they wait; a nested work has its own.
RUNNING: ContextVar[tuple[Lender, Submission] | None] = ContextVar("connector.work", default=None)
