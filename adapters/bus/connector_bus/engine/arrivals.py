"""How messages come onto their queues: once they are stored, once they are due, and after a restart."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Sequence
from typing import final

from connector.errors import MessagingError
from connector.spi import Clock
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.branches import Branch, PreparedBranches
from connector_bus.engine.counts import Counts
from connector_bus.engine.destination import Destination, DestinationTable, is_reply_queue
from connector_bus.engine.feeder import Feeder
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.settings import SUBSCRIPTION_PREFIX
from connector_bus.store.contract import IndexLine, MessageStore, PreparedUnit
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit

_LOG = logging.getLogger("connector_bus.engine")


@final
class Arrivals:
    """Shows to the queues of one bus what its store holds for them. Safe to use from any thread; no state of its own.

    Args:
        bus: The name of the bus, for the log.
        destinations: Whose queues.
        store: Where the messages rest.
        feeder: Fetches them, where the store is shared with other engines; else None.
        clock, alarm: For what is due later.
        counts: Where replies are counted that came too late.
    """

    def __init__(
        self,
        bus: str,
        destinations: DestinationTable,
        store: MessageStore,
        feeder: Feeder | None,
        clock: Clock,
        alarm: Alarm,
        counts: Counts,
    ) -> None:
        self._bus = bus
        self._destinations = destinations
        self._store = store
        self._feeder = feeder
        self._clock = clock
        self._alarm = alarm
        self._counts = counts

    def load(self, branches: PreparedBranches) -> None:
        """Put what the store holds on the queues, but for what is prepared. Blocks for the disk; once, before any use.

        From a shared store messages are claimed as they are wanted.
        """
        if self._feeder is not None:
            self._feeder.start()
            return
        prepared = self._store.prepared()
        held = {line.sequence for unit in prepared for line in unit.removals}
        orphans: dict[str, int] = {}
        left: list[int] = []  # a crash between the end of a subscription and the last publication
        for line in self._store.index():
            if line.sequence in held or self._show_line(line):
                continue
            if line.destination.startswith(SUBSCRIPTION_PREFIX):
                left.append(line.sequence)
            else:
                orphans[line.destination] = orphans.get(line.destination, 0) + 1
        self._store.commit(StoreUnit(remove=tuple(left)))
        for unit in prepared:
            branches.found(unit.branch, self._branch(unit))
        for name, count in orphans.items():
            _LOG.warning("bus %s keeps %d message(s) of %s, which is not configured any more", self._bus, count, name)

    def fill(self, destination: Destination) -> None:
        """Put on a destination that nobody can find yet what the store has kept for one of its name. Blocks for disk.

        So what is sent to it once it can be found is shown when it is stored.
        """
        if self._feeder is not None:
            return
        held = {line.sequence for unit in self._store.prepared() for line in unit.removals}
        for line in self._store.index():
            if line.destination == destination.name and line.sequence not in held:
                self._offer(destination.side(mediated=line.mediated), _entry_of(line), line.deliver_at)

    def stays_in_memory(self, stored: StoredMessage) -> bool:
        """Those for reply queues; and what need not survive, unless other engines are to have it as well."""
        return is_reply_queue(stored.destination) or (not stored.reliability.is_persistent and self._feeder is None)

    def show(self, stored: StoredMessage) -> None:
        """Show a message to its queue, now that it is stored. Does not block."""
        destination = self._destinations.find(stored.destination)
        if self._feeder is not None and not self.stays_in_memory(stored):
            self._feeder.freed(stored.destination)  # sooner than the database's own notification comes round
            return
        kept = stored if self.stays_in_memory(stored) else None
        header = stored.header
        entry = Entry(
            stored.sequence,
            header.priority,
            header.expires_at,
            header.delivery_count,
            kept,
            group=header.group,
            header=header,
        )
        shown = destination is not None and self._offer(
            destination.side(mediated=stored.mediated), entry, header.deliver_at
        )
        if not shown and is_reply_queue(stored.destination):
            self._counts.discard(1)
        elif destination is None and stored.place is not None:
            # The subscription has ended since it was published: nobody is to find it after a restart.
            with contextlib.suppress(MessagingError):
                self._store.submit(StoreUnit(remove=(stored.sequence,)))

    def _show_line(self, line: IndexLine) -> bool:
        destination = self._destinations.find(line.destination)
        if destination is None:
            return False
        queue, entry = destination.side(mediated=line.mediated), _entry_of(line)
        if queue.selective and (stored := self._store.read(line.sequence)) is not None:
            entry.header = stored.header
        return self._offer(queue, entry, line.deliver_at)

    def _offer(self, queue: MessageQueue, entry: Entry, due: float | None) -> bool:
        """Show a message to its queue, once it is due. False if the queue is closed. Does not block."""
        wait = 0.0 if due is None else due - self._clock.time()
        if wait <= 0:
            return queue.add((entry,))
        if not queue.delay(entry):
            return False
        assert due is not None
        self._alarm.call_later(wait, lambda: self._come_due(queue, entry, due))
        return True

    def _come_due(self, queue: MessageQueue, entry: Entry, due: float) -> None:
        wait = due - self._clock.time()
        if wait > 0:  # the clock was put back meanwhile
            self._alarm.call_later(wait, lambda: self._come_due(queue, entry, due))
        elif not queue.come_due(entry) and is_reply_queue(queue.name):
            self._counts.discard(1)

    def _branch(self, unit: PreparedUnit) -> Branch:
        """What an earlier process left prepared: its arrivals are shown on commit, its removals on rollback."""

        def showing(lines: Sequence[IndexLine]) -> Callable[[], None]:
            def show() -> None:
                for line in lines:
                    self._show_line(line)

            return show

        return Branch(showing(unit.arrivals), showing(unit.removals))


def _entry_of(line: IndexLine) -> Entry:
    return Entry(line.sequence, line.priority, line.expires_at, line.attempts, group=line.group)
