"""Runs the mediations of one destination: consume, change, forward, in one unit (BUS-8, BUS-10)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import final

from connector.errors import AccessDenied, MessagingError, NameNotFound
from connector.spi import UNAUTHENTICATED, Message, WorkManager
from connector_bus.engine.consumer import Consumer, Taken
from connector_bus.engine.delivery_unit import DeliveryUnit, unit_in_force
from connector_bus.engine.destination import Destination
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.forward_path import HOP_LIMIT, PATH_ENDS, TOO_MANY_HOPS
from connector_bus.engine.mediation import NO_ROUTE, Mediation, mediate
from connector_bus.engine.queue_state import Entry
from connector_bus.engine.rooms import DestinationFull
from connector_bus.engine.submission import submit
from connector_bus.store.record import StoredMessage

#: What trying again can't mend.
_PERMANENT = frozenset({NO_ROUTE.code, TOO_MANY_HOPS.code, PATH_ENDS.code})

_LOG = logging.getLogger("connector_bus.engine")


@final
class Mediator:
    """Takes the unmediated messages of one destination, one at a time so that their order is kept.

    The mediations run as the engine's own work. The identity in the message stays the sender's unless a mediation puts
    its own in; it is the one that is checked at the next destination (BUS-8). What a handler itself sends and receives
    on this bus is one unit with the message and what becomes of it (BUS-10).

    Where the next destination is full the message waits, and those behind it; no attempt is counted. Where it fails
    and has no exception destination to go to, it and those behind it wait as well.
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

    def _begin(self, taken: Taken) -> None:
        what = f"bus {self._engine.name}: a mediation of {self._name}"
        submit(self._work_manager, self._consumer, taken, lambda: self._run(taken), what)

    def _run(self, taken: Taken) -> None:
        try:
            self._process(taken.entry)
        except DestinationFull as full:
            _LOG.warning("bus %s: a mediation of %s must wait: %s", self._engine.name, self._name, full)
            self._consumer.refused(taken)
        except BaseException as error:  # noqa: BLE001 - whatever a mediation causes, its message must not be lost
            permanent = isinstance(error, AccessDenied | NameNotFound) or getattr(error, "code", "") in _PERMANENT
            self._failures.failed(
                self._queue, taken.entry, error, limit=self._limit, permanent=permanent, hold=self._hold_for_redelivery
            )
        finally:
            self._consumer.done(taken)

    def _process(self, entry: Entry) -> None:
        stored = self._engine.fetch(self._name, entry)
        identity = stored.header.identity or UNAUTHENTICATED
        message = stored.message().replace(delivery_count=entry.attempts, identity=identity)
        unit = DeliveryUnit(self._engine)
        try:
            with unit_in_force(unit):
                results = mediate(self._chain, message)
            ids: set[str | None] = set()
            sends = list[StoredMessage]()
            for result in results:
                sends.extend(self._forward(stored, result, keeps_id=result.message_id not in ids))
                ids.add(result.message_id)
            own_sends, receipts = unit.close()
            self._engine.commit((*sends, *own_sends), (*receipts, (self._queue, entry)), wait=False)
        except BaseException:
            for queue, received in unit.close()[1]:
                queue.release(received)
            raise

    def _hold_for_redelivery(self, seconds: float) -> None:
        self._consumer.hold(seconds, "redelivery")

    def _forward(self, stored: StoredMessage, result: Message, *, keeps_id: bool) -> tuple[StoredMessage, ...]:
        """One message on its way. The first one of an id keeps it, others are new messages.

        What a mediation has created is sent by the mediation, also where it stays: its identity needs the sender role.
        """
        engine, header = self._engine, stored.header
        identity = result.identity or UNAUTHENTICATED
        name = result.destination or self._name
        stays, created = self._is_here(name), result.message_id != header.message_id
        if stays and result.forward_path:
            # It was on its way, and stopped here to be mediated.
            (name, *rest), stays = result.forward_path, False
            result = result.replace(forward_path=tuple(rest))
        passed = 0
        if not stays and stored.hops >= HOP_LIMIT:
            raise MessagingError(TOO_MANY_HOPS, bus=engine.name, limit=HOP_LIMIT)
        if not stays or created:
            arrival = engine.follow(engine.access.subject_of(identity), name, result)
            route, name, result, passed = arrival.route, arrival.name, arrival.message, arrival.passed
        else:
            route = engine.destinations.route(name)
        accepted = engine.accept(
            result,
            name,
            identity,
            message_id=result.message_id if keeps_id else None,
            timestamp=header.timestamp if keeps_id and not created else None,
            mediated=True if stays else None,
            hops=stored.hops + (not stays) + passed,
            reliability=None if created else stored.reliability,
        )
        return engine.fan_out(route, replace(accepted, origin=stored.origin))

    def _is_here(self, name: str) -> bool:
        if name == self._name:
            return True
        route = self._engine.destinations.route(name)
        return route.bus is None and route.name == self._name
