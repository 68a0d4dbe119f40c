"""Waiting for asyncio from within a greenlet: the one bridge between this adapter's logic and drivers for asyncio."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

from sqlalchemy.util import await_only

T = TypeVar("T")


def wait_for(coroutine: Coroutine[Any, Any, T]) -> T:
    """Hand a coroutine to the event loop that this greenlet runs for, and go on when it is done.

    Blocks this greenlet, not the loop. Raises what the coroutine raises, `asyncio.CancelledError` included;
    SQLAlchemy's MissingGreenlet where it isn't called from within one.
    """
    result: T = await_only(coroutine)
    return result


def closed_by_awaiting(cursor: Any) -> None:
    """Close the cursor of an asyncio driver; may wait for a round trip."""
    wait_for(cursor.close())
