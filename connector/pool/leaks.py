"""Leases that last too long, that outlive their login or work, or that nobody closed (POOL-3)."""

from __future__ import annotations

import asyncio
import logging
import threading
from dataclasses import dataclass
from enum import Enum

from connector.pool.entry import Entry
from connector.pool.trace import shown
from connector.spi import SignOnPlan

_log = logging.getLogger("connector.pool.leaks")


class LeakKind(Enum):
    """How a leak was noticed."""

    OVERDUE = "lent for long"  # longer than leak_timeout
    OUTLIVED = "open at the end of its login or work"
    ABANDONED = "never given back"  # the garbage collector found it


@dataclass(frozen=True, slots=True)
class LeakReport:
    """One lease that should have been closed.

    Attributes:
        kind: How it was noticed.
        resource: The resource's global name.
        reference: The reference that it was lent by.
        user: Whom its borrower acts as; None where the factory decided.
        age: Seconds that it has been lent, at least; None where that is not known.
        owner: The thread or task that obtained it, by name.
        origin: The login or work that it was obtained in, in words; None where there was none.
        obtained: The calls that led to it, the innermost first; empty where they were not recorded.
    """

    kind: LeakKind
    resource: str
    reference: str
    user: str | None
    age: float | None
    owner: str
    origin: str | None
    obtained: tuple[str, ...]

    def __str__(self) -> str:
        age = "" if self.age is None else f", {self.age:.0f} s or longer"
        origin = "" if self.origin is None else f", in the {self.origin}"
        return (
            f"a connection to {self.resource} of {self.user or 'the default user'} (reference {self.reference}) was "
            f"{self.kind.value}{age}; obtained by {self.owner}{origin}: {shown(self.obtained)}"
        )


def report_of(
    kind: LeakKind,
    resource: str,
    entry: Entry,
    plan: SignOnPlan,
    now: float,
    loop: asyncio.AbstractEventLoop | None = None,
) -> LeakReport:
    """What is known of a lent entry's lease. To be made under the pool's lock, while it is lent."""
    trace = entry.trace
    age = now - trace.since if trace is not None else age_seen(entry, now)
    return LeakReport(
        kind=kind,
        resource=resource,
        reference=plan.reference,
        user=plan.effective_user,
        age=age,
        owner=owner_name(entry.owner, loop),
        origin=entry.scope.origin if entry.scope is not None else None,
        obtained=trace.lines() if trace is not None else (),
    )


def age_seen(entry: Entry, now: float) -> float | None:
    """How long the present lease has lasted, at least, as far as upkeep has seen; None if it hasn't seen it yet."""
    return now - entry.lent_since if entry.held is not None and entry.seen_held is entry.held else None


def owner_name(owner: int, loop: asyncio.AbstractEventLoop | None = None) -> str:
    """The name of the thread or task that something was lent to, for people."""
    if not owner:
        return "the pool itself"
    if loop is not None:
        # From another thread the set of tasks may be changing: then the name is not worth waiting for.
        try:
            tasks = asyncio.all_tasks(loop)
        except RuntimeError:
            tasks = set()
        name = next((task.get_name() for task in tasks if id(task) == owner), None)
        return f"task {name}" if name is not None else "a task that has ended"
    name = next((thread.name for thread in threading.enumerate() if thread.ident == owner), None)
    return f"thread {name}" if name is not None else "a thread that has ended"


def log_leak(report: LeakReport, advice: str) -> None:
    """Write a report to the log `connector.pool.leaks`, with what becomes of the connection."""
    _log.warning("%s. %s", report, advice)
