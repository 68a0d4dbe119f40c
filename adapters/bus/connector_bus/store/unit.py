"""What can be done to the store at once: a unit, a unit prepared for a decision, and the decision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

from connector_bus.store.record import StoredMessage
from connector_bus.store.subscription import StoredSubscription
from connector_bus.store.unread import Unread


@dataclass(frozen=True, slots=True)
class StoreUnit:
    """What is to happen to the store in one transaction: all of it or nothing.

    Attributes:
        insert: Messages that arrive.
        remove: Sequences of messages that leave.
        attempts: New numbers of failed deliveries, by sequence.
        claim: In a shared store: under which of the engine's epochs the messages that leave or have failed were
            claimed. A claim of an epoch that is over is lost, whatever epoch the engine has now.
        received: What came over links with the arrivals, each as link and transfer: so that none comes twice.
        forgotten: What the other side of a link will not send again.
        unread: Messages that arrive as they came over the wire; each has its row.
    """

    insert: tuple[StoredMessage, ...] = ()
    remove: tuple[int, ...] = ()
    attempts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))
    claim: int = 0
    received: tuple[tuple[str, str], ...] = ()
    forgotten: tuple[tuple[str, str], ...] = ()
    unread: tuple[Unread, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.insert or self.unread or self.remove or self.attempts or self.received or self.forgotten)


@dataclass(frozen=True, slots=True)
class Preparation:
    """A unit that is written down so that it can be committed and can be rolled back, whatever befalls the process.

    Attributes:
        branch: The branch of the transaction that decides about it.
        unit: Arrivals and removals; failed attempts are never part of a transaction.
    """

    branch: str
    unit: StoreUnit


@dataclass(frozen=True, slots=True)
class Resolution:
    """The decision about a prepared unit; harmless for a branch that is gone.

    Attributes:
        branch: The branch.
        commit: Whether it happens, or is undone.
    """

    branch: str
    commit: bool


@dataclass(frozen=True, slots=True)
class SubscriptionChange:
    """A subscription comes or goes; with one that goes, what rests on it.

    Attributes:
        made: The one that comes; one of the same place stays as it is.
        deleted: The place of the one that goes.
    """

    made: StoredSubscription | None = None
    deleted: str | None = None


Change: TypeAlias = StoreUnit | Preparation | Resolution | SubscriptionChange
