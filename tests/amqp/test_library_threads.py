"""The library's objects stay on the adapter's loop: it counts their references without a lock, and lets others run."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client
from support_amqp_activations import eventually, serving
from support_wire import Wire, require_proton

from connector.errors import ConnectorError, MessagingError, NameNotFound
from connector.spi import WorkEvent, WorkEventKind
from connector_amqp.delivery import Delivery

pytestmark = pytest.mark.amqp


async def a_turn() -> None:
    """Whatever the loop was asked before has been done when this has."""


@pytest.fixture
def let_go(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """What of the library has been let go of on the threads of applications and handlers, and not on a loop's."""
    require_proton()
    from proton._wrapper import Wrapper

    found: list[str] = []
    original = Wrapper.__del__

    def noting(self: Any) -> None:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            kind = type(self).__name__
            if kind in ("Delivery", "Receiver", "Sender", "Session"):
                found.append(f"{kind} on {threading.current_thread().name}")
        original(self)

    gc.collect()
    monkeypatch.setattr(Wrapper, "__del__", noting)
    yield found
    gc.collect()


def test_a_handlers_thread_that_ends_after_the_settlement_lets_go_of_nothing(
    bus: Wire, tmp_path: Path, let_go: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    works: list[weakref.ref[Delivery]] = []
    original = Delivery._listen

    def after_the_settlement(self: Delivery, event: WorkEvent) -> None:
        original(self, event)
        if event.kind is WorkEventKind.COMPLETED:
            self.activation._dialler.loop.run(a_turn())
            works.append(weakref.ref(self))

    monkeypatch.setattr(Delivery, "_listen", after_the_settlement)
    with serving(tmp_path / "shop", bus.port(), lambda *_: None) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert calls.wait_for(1)
        assert eventually(lambda: bool(works) and gc.collect() >= 0 and works[0]() is None)
        assert let_go == []


def test_an_error_that_the_application_keeps_has_nothing_of_the_library(shop: Client, let_go: list[str]) -> None:
    def in_vain() -> ConnectorError:
        with shop.connect() as connection:
            with pytest.raises(NameNotFound) as not_there:
                connection.receive("nowhere", 1)
            return not_there.value

    error: ConnectorError | None = in_vain()
    assert error is not None
    assert error.__traceback__ is not None  # where it comes from can still be read
    error = None
    gc.collect()
    assert let_go == []


def test_a_message_that_was_refused_leaves_nothing_of_the_library_in_its_error(shop: Client, let_go: list[str]) -> None:
    with shop.connect() as connection:
        connection.send("narrow", "one")
        with pytest.raises(MessagingError):
            connection.send("narrow", "two")
        gc.collect()
        assert let_go == []


def test_tasks_of_another_loop_hold_nothing_of_the_library(shop: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    # What they let go of goes on their loop, which is not the adapter's.
    require_proton()
    from proton._wrapper import Wrapper

    found: list[str] = []
    original = Wrapper.__del__

    async def main() -> None:
        here = threading.get_ident()

        def noting(self: Any) -> None:
            if threading.get_ident() == here and type(self).__name__ in ("Delivery", "Receiver", "Sender", "Session"):
                found.append(type(self).__name__)
            original(self)

        gc.collect()  # what earlier tests have left
        monkeypatch.setattr(Wrapper, "__del__", noting)
        adapter: Any = None
        async with shop.container.lookup("jms/remote").get_async_connection("alice", "alice") as connection:
            adapter = connection._lease.physical._loop
            await connection.send("requests", "one", properties={"day": "Monday"})
            took = connection._lease.physical._conversation.take("requests", 5, "day = 'Monday'")
            taken: Any = await adapter.awaited(took)
            conversation = connection._lease.physical._conversation
            adapter.soon(lambda taken=taken: conversation.acknowledge(taken))
            await adapter.awaited(a_turn())
            await connection.send("requests", "two")  # the link's end has been answered
            taken = None
            with pytest.raises(NameNotFound) as not_there:
                await connection.receive("nowhere", 1)
            await adapter.awaited(a_turn())
            del not_there
        gc.collect()

    asyncio.run(main())
    assert found == []
