"""A transacted delivery's unit: what is sent and received within it, to be committed with the settlement (FLOW-8).

The unit in force is carried by a contextvar, so that it reaches coroutine handlers (they run in a copy of the
delivery's context) and whatever the handler calls, and nothing else.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import final

from connector.errors import MessagingError, Reason
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry
from connector_bus.store.record import StoredMessage

UNIT_OVER = Reason(
    "CF-BUS-037",
    "the transacted delivery that this send or receive belongs to is over",
    "Await or join everything that a transacted handler starts before it returns.",
)

Receipt = tuple[MessageQueue, Entry]


@final
class DeliveryUnit:
    """Collects the sends and receipts of one transacted delivery; safe to use from the handler's threads.

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


_CURRENT: ContextVar[DeliveryUnit | None] = ContextVar("connector_bus_delivery_unit", default=None)


def current_unit(engine: object) -> DeliveryUnit | None:
    """The unit in force on the running thread or task, if it is one of this engine."""
    unit = _CURRENT.get()
    return unit if unit is not None and unit.engine is engine else None


@contextmanager
def unit_in_force(unit: DeliveryUnit | None) -> Iterator[None]:
    """Put a unit (or none) in force for the duration of a `with` block."""
    token = _CURRENT.set(unit)
    try:
        yield
    finally:
        _CURRENT.reset(token)
