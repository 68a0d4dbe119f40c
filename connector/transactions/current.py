"""The unit of work in force: one contextvar.

It follows `await`, new asyncio tasks and `asyncio.to_thread`, and does not follow into a plain thread. A task that is
left behind keeps seeing its unit after the end, and is refused by it: as with the identity (`connector.security.scope`)
nothing relies on a reset.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from connector.transactions.unit import Unit

#: Set by `connector.transactions.service` and by the work manager for an imported transaction; read by everybody.
CURRENT_UNIT: ContextVar[Unit | None] = ContextVar("connector.unit", default=None)
