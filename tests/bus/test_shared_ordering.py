"""Handlers in several containers on one store keep an order together, if they ask for it (BUS-1, FLOW-6)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from support_bus import World, start_world, weather_bus
from support_bus_store import StorePlace

from connector.spi import Message, Ordering

pytestmark = pytest.mark.postgresql


@pytest.fixture
def worlds(tmp_path: Path, shared_place: StorePlace) -> Iterator[tuple[World, World]]:
    """Two containers with the bus weather, on one store."""
    made = [
        start_world(tmp_path, {"weather": weather_bus(**shared_place.settings)}, threaded=True, container=name)
        for name in ("one", "two")
    ]
    yield made[0], made[1]
    for world in made:
        world.stop()


class Diary:
    """A handler that notes who works at the same time, and in which order messages came."""

    def __init__(self, expected: int) -> None:
        self._lock = threading.Lock()
        self._expected = expected
        self._at_work: dict[object, int] = {}
        self.most: dict[object, int] = {}
        self.bodies: list[object] = []
        self.done = threading.Event()

    def __call__(self, message: Message) -> None:
        with self._lock:
            self._at_work[message.group] = self._at_work.get(message.group, 0) + 1
            self.most[message.group] = max(self.most.get(message.group, 0), self._at_work[message.group])
            self.bodies.append(message.body)
        with self._lock:
            self._at_work[message.group] -= 1
            if len(self.bodies) == self._expected:
                self.done.set()


def test_one_message_at_a_time_over_all_engines_in_the_order_of_the_queue(worlds: tuple[World, World]) -> None:
    diary = Diary(40)
    for world in worlds:
        world.activate(diary, ordering=Ordering.QUEUE)
    for number in range(40):
        worlds[number % 2].connect("alice").send("requests", number)
    assert diary.done.wait(30)
    assert diary.bodies == list(range(40))
    assert diary.most == {None: 1}


def test_one_message_of_each_group_at_a_time_over_all_engines(worlds: tuple[World, World]) -> None:
    diary = Diary(60)
    for world in worlds:
        world.activate(diary, ordering=Ordering.GROUP, concurrency=3)
    for number in range(60):
        worlds[number % 2].connect("alice").send("requests", number, group="abc"[number % 3])
    assert diary.done.wait(30)
    assert diary.most == {"a": 1, "b": 1, "c": 1}
    for remainder in range(3):
        assert [body for body in diary.bodies if int(str(body)) % 3 == remainder] == list(range(remainder, 60, 3))


def test_what_waits_for_its_redelivery_in_one_engine_is_not_overtaken_in_another(worlds: tuple[World, World]) -> None:
    one, two = worlds
    failed, got = threading.Event(), SimpleQueue[object]()

    def fail_once(message: Message) -> None:
        if not failed.is_set():
            failed.set()
            raise ValueError
        got.put(message.body)

    one.activate(fail_once, ordering=Ordering.QUEUE, max_redeliveries=3, redelivery_delay=60.0)
    one.connect("alice").send("requests", "first")
    assert failed.wait(30)
    two.activate(lambda message: got.put(message.body), ordering=Ordering.QUEUE)
    one.connect("alice").send("requests", "second")
    # A claim under the same rule is refused while the first message is kept: there is nothing to wait for.
    store = two.adapter._buses["weather"].engine.store
    assert store.claim("requests", 1, mediated=None, exclusive=True) == []  # type: ignore[attr-defined]
    one.advance(60.0)
    assert [got.get(timeout=30), got.get(timeout=30)] == ["first", "second"]


def test_when_the_engine_that_was_at_work_stops_another_goes_on(worlds: tuple[World, World]) -> None:
    one, two = worlds
    began, go_on, got = threading.Event(), threading.Event(), SimpleQueue[object]()

    def slow(message: Message) -> None:
        began.set()
        go_on.wait(30)

    end = one.activate(slow, ordering=Ordering.QUEUE)
    one.connect("alice").send("requests", "first")
    assert began.wait(30)
    two.activate(lambda message: got.put(message.body), ordering=Ordering.QUEUE)
    one.connect("alice").send("requests", "second")
    ending = threading.Thread(target=end)
    ending.start()
    go_on.set()
    ending.join(30)
    assert got.get(timeout=30) == "second"
