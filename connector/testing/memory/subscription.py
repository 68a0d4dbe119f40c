"""One activation at the provider in memory."""

from __future__ import annotations

from typing import final

from connector.spi import MessageEndpointFactory, Ordering
from connector.testing.memory.letters import Letter


@final
class Subscription:
    """What one handler consumes. Its mutable state is changed under its adapter's lock.

    Attributes:
        factory: Its endpoints.
        queue: Where from.
        out: What is in delivery.
        ended: Whether no delivery may begin any more.
        held: Why it takes nothing for a while; empty where it does.
        outages: How many in a row.
    """

    def __init__(self, factory: MessageEndpointFactory, queue: str) -> None:
        self.factory = factory
        self.queue = queue
        self.out: set[Letter] = set()
        self.ended = False
        self.held = ""
        self.outages = 0

    @property
    def ordering(self) -> Ordering:
        """Which messages keep their order."""
        return self.factory.ordering

    @property
    def free(self) -> int:
        """How many more deliveries it may begin now."""
        return 0 if self.ended or self.held else self.factory.concurrency - len(self.out)
