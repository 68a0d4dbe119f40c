"""What the engine asks of a store, whatever database is behind it (BUS-1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Protocol

from connector.spi import Message
from connector_bus.store.record import StoredMessage
from connector_bus.store.subscription import StoredSubscription
from connector_bus.store.unit import StoreUnit
from connector_bus.store.unread import Unread


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
        group: The group within which order is kept, or None.
        deliver_at: When it may first be delivered, in seconds since 1970, or None.
        claim: In a shared store: the epoch of the engine that it was claimed for.
    """

    sequence: int
    destination: str
    priority: int
    expires_at: float | None
    attempts: int
    mediated: bool
    group: str | None = None
    deliver_at: float | None = None
    claim: int = 0


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

    def as_it_came(self, sequence: int) -> Unread | None:
        """One message as it came over the wire, where it is still in memory so. Does not block."""
        ...

    def subscriptions(self) -> Sequence[StoredSubscription]:
        """All subscriptions that it keeps, the oldest first."""
        ...

    def subscribe(self, record: StoredSubscription) -> None:
        """Keep a subscription; one of the same place stays as it is. Raises like a write."""
        ...

    def unsubscribe(self, place: str) -> None:
        """Forget a subscription and remove what rests on it. Harmless for one that is gone. Raises like a write."""
        ...

    def headers(self, destination: str) -> Sequence[tuple[int, Message]]:
        """The messages of a destination by their sequence, without their bodies, which are not read."""
        ...

    def index(self) -> Iterator[IndexLine]:
        """All messages in the order of their sequence, without their bodies; no arrivals of prepared units."""
        ...

    def received(self, link: str) -> frozenset[str]:
        """The transfers that came over a link and are not forgotten yet."""
        ...

    def unsent(self, destination: str, transfers: Collection[str]) -> frozenset[str]:
        """Which of these transfers still wait on a transmission queue."""
        ...

    def last_sequence(self) -> int:
        """The highest sequence in the store, prepared units included; 0 for an empty one."""
        ...

    def close(self) -> None:
        """Write what was handed in and let go of the database. Harmless when called twice."""
        ...


class SharedStore(MessageStore, Protocol):
    """A store that several engines work on at once; each message is given to one of them at a time.

    An engine *claims* a message before it gives it to anybody, and *gives it back* unless it is settled. Claims belong
    to the engine's *epoch*: one that is taken for dead is fenced, its epoch ends, and its claims are free. Every write
    is refused, in the transaction that would do it, once the epoch is over: CF-BUS-080; the removal of a message whose
    claim was lost: CF-BUS-081.
    """

    @property
    def engine_name(self) -> str:
        """This engine's name: no other that is at work has it."""
        ...

    @property
    def epoch(self) -> int:
        """This engine's present epoch."""
        ...

    def claim(
        self,
        destination: str,
        count: int,
        *,
        mediated: bool | None,
        exclusive: bool,
        keeps_groups: bool = False,
        only: Sequence[int] | None = None,
        now: float = math.inf,
    ) -> Sequence[IndexLine]:
        """Claim up to `count` messages in order of priority and age. Answers which.

        Args:
            destination: Where.
            count: At most.
            mediated: Of those that the mediations have seen, or of the others; None: of either.
            exclusive: Only if no engine has claimed any there: one at a time over all engines keeps their order.
            keeps_groups: Only those of whose group no engine has claimed any, or this very claim takes them too.
            only: Only those with these sequences: for selectors and administration.
            now: Only what is due by then, in seconds since 1970.
        """
        ...

    def subscriptions_version(self) -> int:
        """A number that grows with each change of the subscriptions, whichever engine makes it."""
        ...

    def tell(self, destination: str) -> None:
        """Tell all engines that there may be something to be had on a destination."""
        ...

    def give_back(self, sequences: Sequence[int]) -> None:
        """End claims without settling; other engines are told. Those of an epoch that is over are free already."""
        ...

    def waiting(self, destination: str, *, mediated: bool | None, now: float = math.inf) -> Sequence[IndexLine]:
        """What could be claimed at that time, in that order."""
        ...

    def headers_of(self, sequences: Sequence[int]) -> Mapping[int, Message]:
        """The messages with these sequences that are still there, without their bodies, which are not read."""
        ...

    def next_due(self, destination: str, *, mediated: bool | None, now: float) -> float | None:
        """When the first message is due that is not yet, in seconds since 1970; None if there is none."""
        ...

    def counts(self, destination: str, *, mediated: bool | None) -> tuple[int, int]:
        """How many could be claimed, and how many are claimed by any engine."""
        ...

    def listen(self, listener: Callable[[str | None], None]) -> None:
        """Have the listener told of each destination where something has become free; None: anywhere.

        Called on a thread of the store's own; it must not block.
        """
        ...

    def look(self) -> bool:
        """Say that this engine lives, and fence those that don't; False where it was itself fenced."""
        ...

    def rejoin(self) -> None:
        """Begin a new epoch after this engine was fenced."""
        ...

    @property
    def look_interval(self) -> float:
        """Seconds between two looks."""
        ...
