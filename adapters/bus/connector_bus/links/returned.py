"""What a broker wants not at all comes back: to an exception destination of the bus that has sent it (BUS-11)."""

from __future__ import annotations

import logging
from typing import final

from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.failure import FailureNote, exception_record
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.ways_out import AT
from connector_bus.links.transfer import Answer
from connector_bus.reliability import Reliability
from connector_bus.settings import NO_EXCEPTION_DESTINATION, LinkSettings
from connector_bus.store.record import StoredMessage

_LOG = logging.getLogger("connector_bus.links")


@final
class Returns:
    """Puts aside what came back over the links of one bus. Safe to use from any thread.

    Args:
        engine: The engine.
        failures: Makes the faults.
    """

    def __init__(self, engine: BusEngine, failures: FailureHandling) -> None:
        self._engine = engine
        self._failures = failures

    def put_aside(
        self, queue: MessageQueue, entry: Entry, stored: StoredMessage, link: str, settings: LinkSettings, why: Answer
    ) -> bool:
        """Move a message from the queue of a link to where the link, or else the bus, puts exceptions; a best-effort
        one is dropped. Its requester hears of it. False where the link has nowhere to put it: it stays.

        Blocks for the disk. Raises MessagingError CF-BUS-052 or -053: nothing has happened then.
        """
        engine, to = self._engine, settings.exception_destination or self._engine.settings.exception_destination
        best_effort = stored.reliability is Reliability.BEST_EFFORT
        if to == NO_EXCEPTION_DESTINATION and not best_effort:
            return False
        passage = stored.passage
        assert passage is not None, "nobody but the engine puts anything on the queue of a link"
        note = FailureNote(why.code, why.text)
        header = engine.ways.arriving(stored.header).replace(destination=f"{passage.destination}{AT}{passage.bus}")
        failed = StoredMessage(
            stored.sequence, header, stored.content, hops=stored.hops, reliability=stored.reliability
        )
        sends = list(self._failures.fault(failed, note))
        if best_effort:
            engine.drop(1)
        else:
            number, now = engine.next_sequence(), engine.clock.time()
            told = {"exception_link": link, "exception_stage": "sending"}
            sends.insert(0, exception_record(failed, note, sequence=number, to=to, attempts=1, now=now, **told))
        engine.commit(sends, [(queue, entry)], limited=False)
        _LOG.warning("bus %s: message %s came back from %s: %s", engine.name, header.message_id, link, why.code)
        return True
