"""Runs the mediations of one destination: consume, change, forward, in one unit (BUS-8, BUS-10)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import final

from connector.errors import AccessDenied, MessagingError, NameNotFound, Reason, WorkRejected
from connector.spi import UNAUTHENTICATED, Message, WorkEvent, WorkEventKind, WorkManager
from connector_bus.engine.consumer import Consumer
from connector_bus.engine.destination import Destination
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.mediation import NO_ROUTE, Mediation, mediate
from connector_bus.engine.queue_state import Entry
from connector_bus.policy.roles import Role
from connector_bus.store.record import StoredMessage

TOO_MANY_HOPS = Reason(
    "CF-BUS-043",
    "a message was routed through more than {limit} destinations of bus {bus}",
    "Look for mediations that send messages round in a circle.",
)

#: More destinations than this in the path of one message are taken for a circle.
HOP_LIMIT = 32

#: What trying again can't mend.
_PERMANENT = frozenset({NO_ROUTE.code, TOO_MANY_HOPS.code})

_LOG = logging.getLogger("connector_bus.engine")


@final
class Mediator:
    """Takes the unmediated messages of one destination, one at a time so that their order is kept.

    The mediations run as the engine's own work, under no identity. The identity in the message stays the sender's, and
    is the one that is checked at the next destination (BUS-8).
    """

    def __init__(
        self,
        engine: BusEngine,
        destination: Destination,
        chain: Sequence[Mediation],
        failures: FailureHandling,
        work_manager: WorkManager,
    ) -> None:
        assert destination.unmediated is not None
        assert destination.settings is not None
        self._engine = engine
        self._name = destination.name
        self._limit = destination.settings.max_redeliveries
        self._chain = tuple(chain)
        self._failures = failures
        self._work_manager = work_manager
        self._queue = destination.unmediated
        self._consumer = Consumer(self._queue, 1, self._begin, engine.alarm)

    @property
    def destination(self) -> str:
        """The destination whose messages it takes."""
        return self._name

    def start(self) -> None:
        """Begin. Does not block."""
        self._consumer.start()

    def stop(self, grace: float) -> bool:
        """End; waits up to `grace` seconds for the message under way. Answers whether it ended."""
        return self._consumer.stop(grace)

    def _begin(self, entry: Entry) -> None:
        def listen(event: WorkEvent) -> None:
            if event.kind is WorkEventKind.REJECTED:
                self._consumer.refused(entry)

        try:
            self._work_manager.schedule_work(lambda: self._run(entry), listener=listen)
        except WorkRejected as refusal:
            _LOG.warning("bus %s: a mediation of %s must wait: %s", self._engine.name, self._name, refusal.code)
            self._consumer.refused(entry)

    def _run(self, entry: Entry) -> None:
        try:
            self._process(entry)
        except BaseException as error:  # noqa: BLE001 - whatever a mediation causes, its message must not be lost
            permanent = isinstance(error, AccessDenied | NameNotFound) or getattr(error, "code", "") in _PERMANENT
            self._failures.failed(self._queue, entry, error, limit=self._limit, permanent=permanent)
        finally:
            self._consumer.done(entry)

    def _process(self, entry: Entry) -> None:
        stored = self._engine.fetch(self._name, entry)
        message = stored.message().replace(delivery_count=entry.attempts)
        sends, id_is_free = [], True
        for result in mediate(self._chain, message):
            keeps_id = id_is_free and result.message_id == message.message_id
            id_is_free = id_is_free and not keeps_id
            sends.append(self._forward(stored, result, keeps_id=keeps_id))
        self._engine.commit(sends, ((self._queue, entry),))

    def _forward(self, stored: StoredMessage, result: Message, *, keeps_id: bool) -> StoredMessage:
        """One message on its way. The first one that keeps the id stays the original, others are new messages."""
        engine, header = self._engine, stored.header
        identity = header.identity or UNAUTHENTICATED
        name = result.destination or self._name
        stays = name == self._name
        if not stays:
            if stored.hops >= HOP_LIMIT:
                raise MessagingError(TOO_MANY_HOPS, bus=engine.name, limit=HOP_LIMIT)
            target = engine.target(name)
            if target is not None:
                engine.access.require(engine.access.subject_of(identity), Role.SENDER, target.resource)
        return engine.accept(
            result,
            name,
            identity,
            message_id=header.message_id if keeps_id else None,
            timestamp=header.timestamp if keeps_id else None,
            mediated=True if stays else None,
            hops=stored.hops + (not stays),
        )
