"""What is sent and received on one bus within one unit of work, to be committed as a whole (FLOW-8).

Where the container has a unit of work in force, that says which (`participants`). The contextvar here is for what a
delivery collects without one, and for what is to be done outside of any: it reaches coroutine handlers (they run in a
copy of the delivery's context) and whatever they call, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import final

from connector.errors import MessagingError, Reason
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.store.record import StoredMessage

UNIT_OVER = Reason(
    "CF-BUS-037",
    "the unit of work that this send or receive belongs to is over",
    "Await or join everything that a transacted handler starts before it returns, and all that a unit does.",
)

Receipt = tuple[MessageQueue, Entry]


@final
class DeliveryUnit:
    """Collects the sends and receipts of one unit; safe to use from the threads that work in it.

    Args:
        engine: The engine whose sends it collects; sends on other buses are none of its business.

    Mutable state: the two lists and `_over`, changed under `_lock`.
    """

    def __init__(self, engine: object) -> None:
        self.engine = engine
        self._lock = threading.Lock()
        self._sends: list[StoredMessage] = []
        self._receipts: list[Receipt] = []
        self._over = False

    def enlist(self, sends: tuple[StoredMessage, ...] = (), receipts: tuple[Receipt, ...] = ()) -> None:
        """Add to the unit. Does not block. Raises MessagingError CF-BUS-037 once it is over."""
        with self._lock:
            if self._over:
                raise MessagingError(UNIT_OVER)
            self._sends += sends
            self._receipts += receipts

    def close(self) -> tuple[list[StoredMessage], list[Receipt]]:
        """End it; answers what it has collected, to be committed or undone by the caller."""
        with self._lock:
            self._over = True
            return self._sends, self._receipts


@final
class Outside:
    """Stands in the place of a unit: what is done is to be done at once, whatever unit of work is in force."""


_OUTSIDE = Outside()
_CURRENT: ContextVar[DeliveryUnit | Outside | None] = ContextVar("connector_bus_delivery_unit", default=None)


def current_unit(engine: object) -> DeliveryUnit | Outside | None:
    """What was put in force here for this engine; None: nothing was."""
    unit = _CURRENT.get()
    return unit if isinstance(unit, Outside) or (unit is not None and unit.engine is engine) else None


def outside_of_units() -> AbstractContextManager[None]:
    """For a `with` block everything on any bus is done at once."""
    return _in_force(_OUTSIDE)


def unit_in_force(unit: DeliveryUnit | None) -> AbstractContextManager[None]:
    """Put a unit (or none) in force for the duration of a `with` block."""
    return _in_force(unit)


@contextmanager
def _in_force(unit: DeliveryUnit | Outside | None) -> Iterator[None]:
    token = _CURRENT.set(unit)
    try:
        yield
    finally:
        _CURRENT.reset(token)
