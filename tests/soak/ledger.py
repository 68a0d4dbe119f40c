"""What the external system sees of one pool, and what it objects to. Knows nothing of the pool's own state."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, Generic, TypeVar

from connector.spi import SignOnPlan

C = TypeVar("C")

#: Who is signed on for asserted callers, however many they are.
SYSTEM = "system"
#: Nobody can say as whom a connection acts whose sign-on or switch has failed half-way.
IN_DOUBT = "nobody knows"


class Ledger:
    """The connections of one pool, counted by the other side. Safe to use from any thread.

    Attributes:
        ceiling: How many may live at once: the largest size that the pool has had since all came to rest.
        share: How many one user may have; infinity where nobody counts, or the pool may sign on in place.
        may_end: Whether an operator may have taken connections from their borrowers.
        closing: Whether the pool may be closed.
        objections: What should not have happened.
        living: Connections that live, from before they are opened until after they are closed.
        made: All that were ever opened.
        seen: What has happened, by name, for the figures.
    """

    def __init__(self, ceiling: int, share: float) -> None:
        self.ceiling = ceiling
        self.share = share
        self.may_end = self.closing = False
        self.objections: list[str] = []
        self.living = 0
        self.made: list[Wire[Any]] = []
        self.seen: Counter[str] = Counter()
        self._by_user: Counter[str] = Counter()
        self.lock = RLock()  # a finaliser may come in between

    def object(self, what: str) -> None:
        self.objections.append(what)

    @contextmanager
    def connecting(self, user: str) -> Iterator[None]:
        """A connection is being opened: it counts from now on, unless that fails."""
        with self.lock:
            self.living += 1
            self._by_user[user] += 1
            if self.living > self.ceiling:
                self.object(f"{self.living} connections live, {self.ceiling} are allowed")
            if self._by_user[user] > self.share and user != SYSTEM:
                self.object(f"{self._by_user[user]} connections of {user} live, {self.share} are allowed")
        try:
            yield
        except BaseException:
            self.gone(user)
            raise

    def gone(self, user: str) -> None:
        with self.lock:
            self.living -= 1
            self._by_user[user] -= 1


class Wire(Generic[C]):
    """One connection as its other end sees it: who is signed on, who acts, and who is at it just now.

    Attributes:
        connection: What the pool has of it.
        user: As whom it was signed on last.
        acting: As whom it acts.
        closings: How often it was closed; once is right.
    """

    def __init__(self, ledger: Ledger, user: str, connection: C) -> None:
        self.ledger = ledger
        self.connection = connection
        self.user = self.acting = self._counted = user
        self.closings = 0
        self._call: str | None = None
        self._borrower: object = None
        self._living = True
        with ledger.lock:
            ledger.made.append(self)

    @contextmanager
    def called(self, call: str) -> Iterator[None]:
        """The pool calls the adapter: on a living connection, one call at a time, and never under a borrower."""
        ledger = self.ledger
        with ledger.lock:
            if self.closings:
                ledger.object(f"{call} after it was closed")
            if self._call is not None:
                ledger.object(f"{call} while {self._call} goes on")
            if self._borrower is not None and not ledger.may_end:
                ledger.object(f"{call} under its borrower")
            self._call = call
            ledger.seen[call] += 1
        try:
            yield
        finally:
            self._call = None

    @contextmanager
    def closed(self) -> Iterator[None]:
        """It is closed, and gone at the end of that however it ends."""
        with self.called("destroy"):
            self.closings += 1
            try:
                yield
            finally:
                self.is_gone()

    def is_gone(self) -> bool:
        """Nothing is left of it; answers whether that is news."""
        with self.ledger.lock:
            news, self._living = self._living, False
        if news:
            self.ledger.gone(self._counted)
        return news

    # --- what a borrower does ---------------------------------------------------------------------------------------

    def enter(self, borrower: object, plan: SignOnPlan) -> None:
        """A borrower has it from now on: alone, and as itself."""
        with self.ledger.lock:
            if self._borrower is not None:
                self.ledger.object(f"{plan.effective_user} got it while somebody else had it")
            if self._call is not None and not self.ledger.may_end:
                self.ledger.object(f"{plan.effective_user} got it while {self._call} goes on")
            self._borrower = borrower
        self.check(plan)

    def check(self, plan: SignOnPlan) -> None:
        """The borrower asks it as whom it acts."""
        if self.closings:
            if not self.ledger.may_end:
                self.ledger.object(f"{plan.effective_user} has a closed connection")
        elif (self.user, self.acting) != (plan.user, plan.effective_user):
            self.ledger.object(f"{plan.effective_user} on {plan.user} acts as {self.acting} on {self.user}")

    def leave(self) -> None:
        """The borrower is about to give it up."""
        self._borrower = None


def share_of(per_identity: int | None, *, reauthenticates: bool) -> float:
    """What the other side may hold a pool to. Signing on in place moves a connection before the old user is gone."""
    return math.inf if per_identity is None or reauthenticates else per_identity
