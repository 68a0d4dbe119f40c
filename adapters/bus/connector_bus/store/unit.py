"""One unit of change to the store: all of it or nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from connector_bus.store.record import StoredMessage


@dataclass(frozen=True, slots=True)
class StoreUnit:
    """What is to happen to the store in one transaction.

    Attributes:
        insert: Messages that arrive.
        remove: Sequences of messages that leave.
        attempts: New numbers of failed deliveries, by sequence.
    """

    insert: tuple[StoredMessage, ...] = ()
    remove: tuple[int, ...] = ()
    attempts: Mapping[int, int] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to write."""
        return not (self.insert or self.remove or self.attempts)
