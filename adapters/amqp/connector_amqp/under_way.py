"""The transacted deliveries under way, for connections that their handlers ask for: both in one transaction (FLOW-8).

A transaction of AMQP is one connection's. So a handler's own connection works on that of the activation, where nobody
can tell the two apart: the same endpoint and virtual host, and the same user signed on. Any other connection has a
transaction of its own, and a unit can have only one such.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, final

from connector.spi import UnitOfWork

if TYPE_CHECKING:
    from connector_amqp.delivery_branch import DeliveryBranch


@final
class DeliveriesUnderWay:
    """By their unit of work. Safe to use from any thread.

    Mutable state: `_branches`, changed under `_lock`.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._branches: dict[str, DeliveryBranch] = {}

    @contextmanager
    def noted(self, unit: UnitOfWork, branch: DeliveryBranch) -> Iterator[None]:
        """The delivery whose unit that is; known within the block."""
        with self._lock:
            self._branches[unit.id] = branch
        try:
            yield
        finally:
            with self._lock:
                self._branches.pop(unit.id, None)

    def of(self, unit: UnitOfWork) -> DeliveryBranch | None:
        """The delivery whose unit that is, or None."""
        with self._lock:
            return self._branches.get(unit.id)
