"""Borrowers on threads: each carries out its program, and ends with nothing in its hands."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

from connector.errors import ConnectionFailed, HandleClosed, PoolClosed, PoolTimeout
from connector.pool import PooledLease
from connector.security.scope import open_scope
from connector.spi import Subject
from soak.ledger import Ledger, Wire
from soak.moods import Interrupt, Trouble
from soak.stage import AnyStage, ThreadStage
from soak.steps import Step

#: Seconds for which a borrower with empty hands waits: it never comes to that, since all others come to an end.
FOR_EVER: Final = 1e6
SHORTLY: Final = 0.0005
MOST_HELD: Final = 3

L = TypeVar("L")
Found = SimpleQueue[tuple[Any, int] | None]  # leases that were handed over, and what becomes of each


@contextmanager
def tolerating(ledger: Ledger, *, patient: bool = False) -> Iterator[None]:
    """What may happen to anybody, happens; a wait in vain and a pool that is closed for no reason are objected to."""
    try:
        yield
    except PoolTimeout as error:
        ledger.seen["timed out"] += 1
        if patient:
            ledger.object(f"waited in vain: {error}")
    except PoolClosed:
        if not ledger.closing:
            ledger.object("the pool says that it is closed")
    except (ConnectionFailed, Trouble, Interrupt) as error:
        ledger.seen[type(error).__name__] += 1


class Hands(Generic[L]):
    """What a borrower has in its hands: leases, each with its other end.

    Attributes:
        stage: The pool that it borrows from.
        found: Where it hands leases over to somebody else.
        done: Steps that it has carried out.
    """

    def __init__(self, stage: AnyStage, found: Found) -> None:
        self.ledger = stage.ledger
        self.plan = stage.plan
        self.found = found
        self.done = 0
        self.held: list[tuple[L, Wire[Any]]] = []

    def patience(self, number: int) -> float:
        """How long it waits: not at all or shortly with something in its hands, since others may wait for that."""
        return (0.0 if self.held else FOR_EVER, FOR_EVER if not self.held else SHORTLY, 0.0, SHORTLY)[number % 4]

    def took(self, lease: Any) -> None:
        """A lease has come: from now on its connection is this borrower's alone, acting as the plan says."""
        try:
            wire: Wire[Any] = lease.physical.wire
        except HandleClosed:
            self.ended()
            return
        wire.enter(self, lease.plan)
        self.ledger.seen["taken"] += 1
        self.held.append((lease, wire))

    def used(self, lease: Any) -> None:
        """It looks as whom it acts."""
        try:
            lease.physical.wire.check(lease.plan)
        except HandleClosed:
            self.ended()

    def ended(self) -> None:
        """Its lease was ended by somebody else: only an operator may."""
        if not self.ledger.may_end:
            self.ledger.object("a lease was ended by nobody")

    def let_go(self, which: int = -1) -> L | None:
        """It is about to give one of its leases up."""
        if not self.held:
            return None
        lease, wire = self.held.pop(which)
        wire.leave()
        return lease

    def drop(self, *, in_a_cycle: bool) -> None:
        """Forget a lease, for the garbage collector to find: at once, or at any time and on any thread."""
        forgotten: list[Any] = [self.let_go()]
        if in_a_cycle:
            forgotten.append(forgotten)


class Borrower(Hands[PooledLease]):
    """A borrower on a thread of its own."""

    def __init__(self, stage: ThreadStage, found: Found) -> None:
        super().__init__(stage, found)
        self.pool = stage.pool

    def run(self, steps: list[Step]) -> None:
        for step in steps:
            with tolerating(self.ledger):
                self._do(step.verb, step.number)
            self.done += 1
        while self.held:
            with tolerating(self.ledger):
                self._close()

    def _do(self, verb: str, number: int) -> None:
        match verb:
            case "take" | "take, cancelled":
                self._take(number)
            case "use" if self.held:
                self.used(self.held[-1][0])
            case "close":
                self._close()
            case "close the oldest":
                self._close(0)
            case "close twice":
                lease = self.let_go()
                if lease is not None:
                    lease.close()
                    lease.invalidate()
            case "invalidate" | "close, cancelled":
                lease = self.let_go()
                if lease is not None:
                    lease.invalidate(Trouble() if number % 2 else None)
            case "break" if self.held:
                self.held[-1][1].connection.connection_error_occurred(Trouble())
            case "abandon" | "abandon in a cycle":
                self.drop(in_a_cycle=verb != "abandon")
            case "hand over":
                lease = self.let_go()
                if lease is not None:
                    self.found.put((lease, number))
            case "in a scope":
                self._in_a_scope(number)
            case "look":
                self.pool.contents() if number else self.pool.statistics()
            case _:
                pass

    def _take(self, number: int) -> None:
        if len(self.held) == MOST_HELD:
            self._close(0)
        timeout = self.patience(number // 5)
        with tolerating(self.ledger, patient=timeout == FOR_EVER):
            self.took(self.pool.take(self.plan(number, old=number >= 60), timeout))

    def _close(self, which: int = -1) -> None:
        lease = self.let_go(which)
        if lease is not None:
            lease.close()

    def _in_a_scope(self, number: int) -> None:
        """Obtain a lease in a scope, and close it there, leave it open to the scope's end, or hand it over."""
        with open_scope(Subject(read_only=True), realm="soak", container="soak", origin="soak"):
            before = len(self.held)
            self._take(number)
            if number < 5:
                self._close()
            elif len(self.held) > before or before == MOST_HELD:
                lease = self.let_go()
                if number >= 10:
                    self.found.put((lease, number))
