"""What the engine asks of a store, whatever database is behind it (BUS-1)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit


@dataclass(frozen=True, slots=True)
class IndexLine:
    """What the engine keeps in memory of each message at rest.

    Attributes:
        sequence: Its number.
        destination: Where it is.
        priority: 0 to 9.
        expires_at: Seconds since 1970, or None.
        attempts: Failed deliveries so far.
        mediated: Whether its destination's mediations have seen it.
    """

    sequence: int
    destination: str
    priority: int
    expires_at: float | None
    attempts: int
    mediated: bool


@dataclass(frozen=True, slots=True)
class PreparedUnit:
    """A unit that waits for the decision of its transaction.

    Attributes:
        branch: The branch of the transaction.
        arrivals: Its messages, which nobody sees before the decision.
        removals: Messages that leave with it, which nobody gets before the decision.
    """

    branch: str
    arrivals: tuple[IndexLine, ...]
    removals: tuple[IndexLine, ...]


class MessageStore(Protocol):
    """All messages of one bus. Safe to use from any thread; everything but `submit` blocks for the database.

    What is written raises MessagingError CF-BUS-052 once closed and CF-BUS-053 where it could not be written: nothing
    of it was then. What is read raises CF-BUS-056.
    """

    def submit(self, unit: StoreUnit) -> Future[None]:
        """Hand in a unit without waiting; the future ends when it is on disk. Does not block."""
        ...

    def commit(self, unit: StoreUnit) -> None:
        """Write a unit; when this returns it survives a power cut. An empty unit costs nothing."""
        ...

    def prepare(self, branch: str, unit: StoreUnit) -> None:
        """Write a unit down for a decision to come; it survives a power cut, and is in force only once committed.

        Its arrivals are in no index; its removals are in the index still, and in `prepared`.
        """
        ...

    def commit_prepared(self, branch: str) -> None:
        """Put a prepared unit in force. Harmless for a branch that is gone."""
        ...

    def rollback_prepared(self, branch: str) -> None:
        """Undo a prepared unit: its arrivals have never been. Harmless for a branch that is gone."""
        ...

    def prepared(self) -> Sequence[PreparedUnit]:
        """All units that wait for a decision, in the order of their branches."""
        ...

    def read(self, sequence: int) -> StoredMessage | None:
        """One message, or None if it is gone."""
        ...

    def index(self) -> Iterator[IndexLine]:
        """All messages in the order of their sequence, without their bodies; no arrivals of prepared units."""
        ...

    def last_sequence(self) -> int:
        """The highest sequence in the store, prepared units included; 0 for an empty one."""
        ...

    def close(self) -> None:
        """Write what was handed in and let go of the database. Harmless when called twice."""
        ...
