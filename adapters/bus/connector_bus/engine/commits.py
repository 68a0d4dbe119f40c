"""What is sent and received becomes so: first in the store, then on the queues (BUS-1).

A message is first committed to the store and then shown to its queue; it is first removed from the store and then from
its queue. So a crash at any instant leaves either a message that was not acknowledged, or one that will be delivered
(again).
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import final

from connector.errors import MessagingError
from connector_bus.engine.arrivals import Arrivals
from connector_bus.engine.counts import Counts
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.rooms import Rooms
from connector_bus.engine.spreading import Spreading
from connector_bus.reliability import Reliability
from connector_bus.store.contract import MessageStore
from connector_bus.store.record import StoredMessage
from connector_bus.store.shared_changes import CLAIM_LOST
from connector_bus.store.unit import StoreUnit

_LOG = logging.getLogger("connector_bus.engine")


@final
class Commits:
    """The only place where messages of one bus come and go for good. Safe to use from any thread; no state of its own.

    Args:
        bus: The name of the bus, for the log.
        store: Where the messages rest.
        rooms: The places of destinations that have a limit.
        spreading: Makes the copies of what is published.
        arrivals: Shows to the queues what is stored.
        counts: Where dropped messages are counted.
    """

    def __init__(
        self, bus: str, store: MessageStore, rooms: Rooms, spreading: Spreading, arrivals: Arrivals, counts: Counts
    ) -> None:
        self._bus = bus
        self._store = store
        self._rooms = rooms
        self._spreading = spreading
        self._arrivals = arrivals
        self._counts = counts

    def commit(
        self,
        sends: Sequence[StoredMessage],
        receipts: Sequence[Receipt] = (),
        *,
        limited: bool = True,
        wait: bool = True,
        received: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Store arrivals and remove what was received, as one unit; then show it to the queues. Blocks for the disk.

        Args:
            sends: What arrives. Where all of it is reliable at most and nothing leaves, the disk is not waited for.
            receipts: What leaves.
            limited: Whether the depth limits of the destinations count.
            wait: Whether a place is waited for where one is full.
            received: The transfers, each as link and transfer, that the arrivals came by.

        Raises MessagingError CF-BUS-052 or -053, DestinationFull CF-BUS-173: then nothing of it has happened.
        """
        needed = Counter[str]()
        if limited:
            sends, needed = self.admit(sends, receipts, wait=wait)
        else:
            sends = self._spreading.spread(sends)
        try:
            unit = replace(self.store_unit(sends, receipts), received=tuple(received))
            if (
                unit.insert
                and not receipts
                and not received
                and all(each.reliability is Reliability.RELIABLE for each in unit.insert)
            ):
                future, later, needed = self._store.submit(unit), needed, Counter[str]()
                future.add_done_callback(lambda outcome: self._written(outcome, sends, later))
                return
            self._store.commit(unit)
            self.settled(sends, receipts)
        finally:
            self._rooms.entered(needed)

    def admit(
        self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt], *, wait: bool
    ) -> tuple[Sequence[StoredMessage], Counter[str]]:
        """What is to be stored of messages: for what is published a copy for each subscription; and their places.

        Places are taken at destinations that have a limit; see `Rooms.admit`. What is dropped is counted here. May
        block for the registry, see `Topics.published`.
        """
        sends = self._spreading.spread(sends)
        if not self._rooms.are_limited:
            return sends, Counter()
        sends, needed, dropped = self._rooms.admit(sends, receipts, wait=wait)
        if dropped:
            self._counts.drop(dropped)
        return sends, needed

    def store_unit(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt]) -> StoreUnit:
        """What the store has to do for sends and receipts; some messages live in memory only."""
        durable = tuple(stored for stored in sends if not self._arrivals.stays_in_memory(stored))
        leaving = [entry for _, entry in receipts if not entry.in_memory]
        claims = {entry.claim for entry in leaving}
        if len(claims) > 1:
            raise MessagingError(CLAIM_LOST, count=len(leaving))
        return StoreUnit(durable, tuple(entry.sequence for entry in leaving), claim=max(claims, default=0))

    def settled(self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt]) -> None:
        """Show to the queues what is in the store by now. Does not block."""
        for queue, entry in receipts:
            queue.remove(entry)
        for stored in sends:
            self._arrivals.show(stored)
        if receipts and self._rooms.are_limited:
            self._rooms.freed()

    def _written(self, outcome: Future[None], sends: Sequence[StoredMessage], needed: Counter[str]) -> None:
        """Reliable messages are on disk, or could not be written: their sender does not wait to hear of it."""
        if (error := outcome.exception()) is None:
            self.settled(sends, ())
        else:
            _LOG.error("bus %s: %d reliable message(s) could not be written: %s", self._bus, len(sends), error)
        self._rooms.entered(needed)
