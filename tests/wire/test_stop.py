"""The end of the chains: everything on their loop comes to its end, however busy the loop is (CHAIN-1)."""

from __future__ import annotations

import asyncio
import gc
import threading
from pathlib import Path
from typing import Any

import pytest
from support_wire import require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException  # noqa: E402


def _keep_busy(listeners: Any) -> threading.Event:
    """The loop does nothing else until the event is set; returns once that has begun."""
    busy, enough = threading.Event(), threading.Event()

    def hold() -> None:
        busy.set()
        enough.wait(10)

    listeners._loop.call_soon_threadsafe(hold)
    assert busy.wait(5)
    return enough


def test_a_loop_that_is_too_busy_to_end_in_time_ends_by_itself(tmp_path: Path) -> None:
    with wire(tmp_path) as running:
        listeners = running.listeners
        client, thread = running.connect("alice"), listeners._thread
        enough = _keep_busy(listeners)
        listeners.stop(timeout=0.01)
        assert thread.is_alive()
        enough.set()
        thread.join(5)
        assert not thread.is_alive()
        assert listeners._loop.is_closed()
        with pytest.raises(ConnectionException):
            client.wait(lambda: False, timeout=5)  # it was told
    gc.collect()  # a coroutine that was never begun would be told of now, and fail the test


def test_what_is_under_way_on_the_loop_is_cancelled_and_awaited(tmp_path: Path) -> None:
    with wire(tmp_path) as running:
        listeners, ended = running.listeners, threading.Event()

        async def for_ever() -> None:
            try:
                await listeners._loop.create_future()
            finally:
                ended.set()

        listeners._call(_begin(for_ever()))
        listeners.stop()
        assert ended.is_set()
        assert listeners._loop.is_closed()


async def _begin(coroutine: Any) -> None:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()


def test_stopping_twice_is_harmless(tmp_path: Path) -> None:
    with wire(tmp_path) as running:
        running.listeners.stop()
        running.listeners.stop()
        assert running.listeners._loop.is_closed()
