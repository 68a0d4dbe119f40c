"""What the engine does when a delivery fails: again, or to the exception destination with the reason (BUS-11)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import final

from connector.errors import ConnectorError, NameNotFound
from connector.spi import UNAUTHENTICATED, Principal
from connector_bus.engine.destination import is_reply_queue
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.failure import FailureNote, exception_record, fault_message, is_fault
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.policy.definition import ROOT
from connector_bus.reliability import Reliability
from connector_bus.settings import NO_EXCEPTION_DESTINATION
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit

_LOG = logging.getLogger("connector_bus.engine")

#: Seconds before the next attempt where even the failure could not be written down, or where there is no other place:
#: without a pause the engine would be busy with nothing but failing.
STUCK_PAUSE = 30.0


@final
class FailureHandling:
    """Redelivery and exception destination of one bus. Safe to use from any thread.

    Args:
        engine: The engine.
        server: The identity of the faults that it sends.
    """

    def __init__(self, engine: BusEngine, server: Principal) -> None:
        self._engine = engine
        self._server = server

    def failed(
        self,
        queue: MessageQueue,
        entry: Entry,
        error: BaseException,
        *,
        limit: int,
        delay: float = 0.0,
        permanent: bool = False,
        hold: Callable[[float], None] | None = None,
    ) -> None:
        """One delivery of a claimed entry has failed; afterwards it is no longer claimed by the caller.

        Up to `limit` failures it is delivered again after `delay` seconds; then, or at once if `permanent`, it goes to
        the exception destination of its destination, and the requester, if any, gets a fault. Where there is none it
        stays, and is tried again after a pause; a best-effort message is dropped. Blocks for the disk; never raises a
        ConnectorError: what can't be written is logged, and tried again later.

        Args:
            queue: Where the entry is.
            entry: What was to be delivered.
            error: Why it wasn't.
            limit: How many failures are followed by another delivery.
            delay: Seconds before it.
            permanent: Whether another one can't help.
            hold: Has the consumer take nothing for so many seconds, where nothing may overtake the entry meanwhile.
        """
        entry.attempts += 1
        note = FailureNote.of(error)
        try:
            if permanent or entry.attempts > limit:
                if self._bury(queue, entry, note):
                    return
                delay = max(delay, STUCK_PAUSE)
            if entry.stored is None:
                self._engine.store.commit(StoreUnit(attempts={entry.sequence: entry.attempts}, claim=entry.claim))
        except ConnectorError as failure:
            _LOG.error("bus %s: a failed message of %s stays there: %s", self._engine.name, queue.name, failure)
            delay = max(delay, STUCK_PAUSE)
        if delay > 0 and hold is not None:
            if queue.is_shared:  # given back, it would be delivered by another engine at once
                self._engine.alarm.call_later(delay, lambda: queue.release(entry))
                hold(delay)
            else:
                hold(delay)
                queue.release(entry)
        elif delay > 0:
            self._engine.alarm.call_later(delay, lambda: queue.release(entry))
        else:
            queue.release(entry)

    def _destination_for(self, name: str) -> str | None:
        """Where a message goes that fails at a destination; None where it stays."""
        engine = self._engine
        own = engine.destinations.find(name)
        named = None if own is None or own.settings is None else own.settings.exception_destination
        to = named or engine.settings.exception_destination
        if to == NO_EXCEPTION_DESTINATION:
            return None
        end = engine.destinations.route(to).name
        return None if end == name else end

    def _bury(self, queue: MessageQueue, entry: Entry, note: FailureNote) -> bool:
        """Put it where it belongs, or drop it; False where it has to stay."""
        engine, to = self._engine, self._destination_for(queue.name)
        stored = engine.fetch(queue.name, entry)
        if stored.reliability is Reliability.BEST_EFFORT:
            self._drop(queue, entry, stored, note)
            return True
        if to is None:
            _LOG.warning(
                "bus %s: message %s of %s has failed %d time(s) and stays there: %s",
                engine.name,
                stored.header.message_id,
                queue.name,
                entry.attempts,
                note.code,
            )
            return False
        record = exception_record(
            stored,
            note,
            sequence=engine.next_sequence(),
            to=to,
            attempts=entry.attempts,
            now=engine.clock.time(),
        )
        sends = (record, *self.fault(stored, note))
        engine.commit(sends, ((queue, entry),), limited=False)  # what has failed is never lost for want of a place
        _LOG.warning(
            "bus %s: message %s of %s goes to %s after %d attempt(s): %s",
            engine.name,
            stored.header.message_id,
            queue.name,
            to,
            entry.attempts,
            note.code,
        )
        return True

    def _drop(self, queue: MessageQueue, entry: Entry, stored: StoredMessage, note: FailureNote) -> None:
        """A best-effort message ends here; the requester is told all the same."""
        self._engine.commit(self.fault(stored, note), ((queue, entry),), limited=False)
        self._engine.drop(1)
        _LOG.info("bus %s: a best-effort message of %s is dropped: %s", self._engine.name, queue.name, note.code)

    def fault(self, stored: StoredMessage, note: FailureNote) -> tuple[StoredMessage, ...]:
        """What tells the requester of a failed message at once, to be stored with what becomes of that; nothing where
        nobody asks, or the message is a fault itself.

        What goes to a queue of another bus, other than a reply queue, is sent as the failed message's sender: that bus
        asks whether they may send there.
        """
        reply_to = stored.header.reply_to
        if reply_to is None or is_fault(stored.header):
            return ()
        if not self._may_be_told(stored, reply_to):
            return ()
        engine = self._engine
        try:
            route = engine.destinations.route(reply_to)
            as_sender = route.bus is not None and not is_reply_queue(reply_to)
            identity = (stored.header.identity or UNAUTHENTICATED) if as_sender else self._server
            return engine.fan_out(route, engine.accept(fault_message(stored, note), reply_to, identity))
        except NameNotFound as error:
            _LOG.warning("bus %s: no fault is sent to %s: %s", engine.name, reply_to, error.code)
            return ()

    def _may_be_told(self, stored: StoredMessage, reply_to: str) -> bool:
        """Whether the sender may itself send there: else naming it as reply-to would borrow the engine's authority."""
        if is_reply_queue(reply_to):
            return True
        access = self._engine.access
        try:
            self._engine.require_sender(access.subject_of(stored.header.identity), reply_to, ROOT)
        except ConnectorError as refusal:
            _LOG.warning("bus %s: no fault is sent to %s: %s", self._engine.name, reply_to, refusal.code)
            return False
        return True
