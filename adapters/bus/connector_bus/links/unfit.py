"""What comes over a link and can't go where it is for (BUS-9)."""

from __future__ import annotations

import logging
from typing import final

from connector.errors import AccessDenied, ConnectorError
from connector.spi import UNAUTHENTICATED
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.failure import FailureNote, exception_record, is_fault
from connector_bus.links.arrival import Arrived, LinkArrivals
from connector_bus.links.transfer import Answer, Outcome, Transfer
from connector_bus.reliability import Reliability
from connector_bus.settings import NO_EXCEPTION_DESTINATION, LinkSettings
from connector_bus.store.record import StoredMessage

_LOG = logging.getLogger("connector_bus.links")


@final
class UnfitArrivals:
    """Where it goes on one bus. Immutable, safe to use from any thread.

    Args:
        engine: The engine.
        failures: Makes the faults.
        arrivals: What the messages are here.
    """

    def __init__(self, engine: BusEngine, failures: FailureHandling, arrivals: LinkArrivals) -> None:
        self._engine = engine
        self._failures = failures
        self._arrivals = arrivals

    def put(self, arrived: Arrived, link: LinkSettings, error: ConnectorError) -> Answer:
        """It can't go where it is for: to the exception destination of that, else of the link; or the link waits."""
        note, transfer = FailureNote.of(error), arrived.transfer
        refused = Answer(Outcome.REFUSED, note.code, note.text)
        to = self._destination_for(transfer, link)
        best_effort = transfer.reliability is Reliability.BEST_EFFORT
        if to is None and not best_effort and not is_fault(transfer.header):
            return Answer(Outcome.BLOCKED, note.code, note.text)
        header = self._engine.ways.arriving(transfer.header).replace(
            destination=self._arrivals.name_of(transfer), identity=arrived.identity
        )
        stored = StoredMessage(
            self._engine.next_sequence(), header, transfer.content, hops=transfer.hops, reliability=transfer.reliability
        )
        sends = []
        if best_effort or to is None:
            self._engine.drop(1)
        else:
            sends.append(self._record(arrived, stored, to, note, error))
        sends += self._failures.fault(stored, note)
        self._arrivals.commit(arrived, sends, limited=False)
        _LOG.warning(
            "bus %s: message %s for %s from bus %s %s: %s",
            self._engine.name,
            header.message_id,
            self._arrivals.name_of(transfer),
            arrived.peer,
            "is dropped" if best_effort or to is None else f"goes to {to}",
            note.code,
        )
        return refused

    def _record(
        self, arrived: Arrived, stored: StoredMessage, to: str, note: FailureNote, error: ConnectorError
    ) -> StoredMessage:
        """The message in an exception destination, with stage and rule: to find out why it failed is hard enough."""
        came = arrived.transfer.header.identity or UNAUTHENTICATED
        explanation = error.explanation if isinstance(error, AccessDenied) else None
        return exception_record(
            stored,
            note,
            sequence=self._engine.next_sequence(),
            to=to,
            attempts=1,
            now=self._engine.clock.time(),
            exception_link=arrived.peer,
            exception_stage="arrival" if arrived.transfer.bus == self._engine.name else "passing on",
            exception_identity_came=str(came),
            exception_rule=None if explanation is None else explanation.answer,
        )

    def _destination_for(self, transfer: Transfer, link: LinkSettings) -> str | None:
        """Where a message goes that can't be delivered; None where it has to wait on the other side."""
        settings = self._engine.settings
        target = self._engine.destinations.find(transfer.destination) if transfer.bus == self._engine.name else None
        own = None if target is None or target.settings is None else target.settings.exception_destination
        if own is not None and own != NO_EXCEPTION_DESTINATION:
            return own
        if link.exception_destination == NO_EXCEPTION_DESTINATION:
            return None
        return link.exception_destination or settings.exception_destination
