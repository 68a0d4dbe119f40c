"""How long a broker is waited for, and what is said of one that does not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from connector.errors import MessagingError, Reason
from connector_amqp.wire import Wire

NO_ANSWER = Reason(
    "CF-AMQP-035",
    "{broker} did not answer within {seconds:g} s: {what}.",
    "What was to be sent may have been taken or not. See how the broker is; operation_timeout says how long to wait.",
)

T = TypeVar("T")


async def answered(
    work: Callable[[], Coroutine[Any, Any, T]], wire: Wire, limit: float, what: str, waits: float | None = 0.0
) -> T:
    """Do something that needs the broker's answer. On the adapter's loop.

    Args:
        work: Begins it; called only where this is begun itself.
        wire: The connection.
        limit: Seconds that the broker may take.
        what: For the error.
        waits: Seconds that it waits by itself besides; None for without limit.

    Raises MessagingError CF-AMQP-035 where there was no answer in time, and what the work raises.
    """
    try:
        async with asyncio.timeout(None if waits is None else limit + waits):
            return await work()
    except TimeoutError:
        raise MessagingError(NO_ANSWER, broker=wire.broker, seconds=limit, what=what) from None
