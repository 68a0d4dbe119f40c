"""Limits of depth and size: back-pressure instead of a full disk (BUS-1)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import MessagingError
from connector.spi import Message
from connector_bus.engine.rooms import DestinationFull


def bus(uk: dict[str, Any] | None = None, **settings: Any) -> dict[str, Any]:
    settings = {"max_depth": 2, "send_timeout": 0.0, **settings}
    return {"weather": weather_bus(destinations={"requests": settings, "uk": uk or {}, "replies": {}})}


def fill(world: World, count: int = 2, **options: Any) -> None:
    for number in range(count):
        world.connect("alice").send("requests", number, **options)


def show(world: World) -> Any:
    return world.adapter.run_command("show", {})["buses"][0]


def test_a_full_destination_takes_no_more_and_says_that_later_may_help(tmp_path: Path) -> None:
    with running(tmp_path, bus()) as world:
        fill(world)
        with pytest.raises(DestinationFull, match=r"CF-BUS-173: requests on bus weather.* 2 messages") as caught:
            fill(world, 1)
        assert caught.value.retryable
        assert [message.body for message in world.peek("requests")] == [0, 1]
        assert show(world)["destinations"][0]["max_depth"] == 2
        assert world.connect("alice").receive("requests", timeout=0) is not None
        fill(world, 1)


def test_a_send_waits_for_a_place(tmp_path: Path) -> None:
    with running(tmp_path, bus(send_timeout=60.0)) as world:
        fill(world)
        rooms, waiting = world.adapter._buses["weather"].engine.rooms, threading.Event()
        wait = rooms._changed.wait

        def told_wait(timeout: float | None = None) -> bool:
            waiting.set()
            return wait(timeout)

        rooms._changed.wait = told_wait  # type: ignore[method-assign]
        sender = threading.Thread(target=fill, args=(world, 1))
        sender.start()
        assert waiting.wait(30)
        assert world.connect("alice").receive("requests", timeout=0) is not None
        sender.join(30)
        assert not sender.is_alive()
        assert [message.body for message in world.peek("requests")] == [1, 0]


def test_a_sender_that_is_woken_in_vain_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    with running(tmp_path, bus(send_timeout=60.0)) as world:
        fill(world)
        rooms = world.adapter._buses["weather"].engine.rooms

        def woken_in_vain(timeout: float | None = None) -> bool:
            world.context.clock.now += 40.0
            return True

        rooms._changed.wait = woken_in_vain  # type: ignore[method-assign]
        with pytest.raises(DestinationFull):
            fill(world, 1)
        assert world.context.clock.now == 1_000_080.0


def test_a_sender_that_waits_is_refused_when_the_bus_stops(tmp_path: Path) -> None:
    errors: list[MessagingError] = []
    with running(tmp_path, bus(send_timeout=60.0)) as world:
        fill(world)
        rooms, waiting = world.adapter._buses["weather"].engine.rooms, threading.Event()
        wait = rooms._changed.wait

        def told_wait(timeout: float | None = None) -> bool:
            waiting.set()
            return wait(timeout)

        rooms._changed.wait = told_wait  # type: ignore[method-assign]

        def send() -> None:
            with pytest.raises(MessagingError) as caught:
                fill(world, 1)
            errors.append(caught.value)

        sender = threading.Thread(target=send)
        sender.start()
        assert waiting.wait(30)
    sender.join(30)
    assert [error.code for error in errors] == ["CF-BUS-173"]


def test_what_is_in_delivery_or_not_due_counts(tmp_path: Path) -> None:
    with running(tmp_path, bus()) as world:
        fill(world, 1, delay=60.0)
        refused: list[str] = []

        def handler(message: Message) -> None:
            try:
                fill(world, 1)
            except DestinationFull as full:
                refused.append(full.code)

        world.activate(handler)
        fill(world, 1)
        world.works.pump()
        assert refused == ["CF-BUS-173"]
        fill(world, 1)


def test_a_best_effort_message_is_dropped_and_counted_where_there_is_no_place(tmp_path: Path) -> None:
    with running(tmp_path, bus()) as world:
        fill(world, 3, reliability="best-effort")
        assert [message.body for message in world.peek("requests")] == [0, 1]
        assert show(world)["dropped"] == 1


def test_a_transacted_delivery_is_refused_as_a_whole_at_its_commit(tmp_path: Path) -> None:
    with running(tmp_path, bus(uk={"max_depth": 1, "send_timeout": 0.0})) as world:

        def handler(message: Message) -> None:
            world.connect("server").send("replies", "sent")
            world.connect("server").send("uk", "one")
            world.connect("server").send("uk", "two")

        world.activate(handler, transacted=True)
        fill(world, 1)
        world.works.pump()
        assert (world.peek("uk"), world.peek("replies")) == ([], [])
        assert world.exceptions()[0].properties["exception_reason"] == "CF-BUS-173"


def test_what_expires_makes_room(tmp_path: Path) -> None:
    with running(tmp_path, bus()) as world:
        fill(world, 2, time_to_live=10.0)
        world.advance(10.0)
        assert world.connect("alice").receive("requests", timeout=0) is None
        fill(world, 2)


def test_a_restart_with_more_than_the_limit_loses_nothing(tmp_path: Path) -> None:
    with running(tmp_path, bus(max_depth=5)) as world:
        fill(world, 5)
    with running(tmp_path, bus(max_depth=2)) as world:
        assert len(world.peek("requests")) == 5
        with pytest.raises(DestinationFull):
            fill(world, 1)


def test_what_fails_is_never_lost_for_want_of_a_place(tmp_path: Path) -> None:
    settings = bus(exception_destination="uk", uk={"max_depth": 1, "send_timeout": 0.0})
    with running(tmp_path, settings) as world:

        def fail(message: Message) -> None:
            raise ValueError

        world.activate(fail)
        fill(world)
        world.works.pump()
        assert len(world.peek("uk")) == 2


def test_many_senders_at_once_never_pass_the_limit(tmp_path: Path) -> None:
    with running(tmp_path, bus(max_depth=10)) as world:
        refused: list[str] = []

        def send() -> None:
            for _ in range(5):
                try:
                    fill(world, 1)
                except DestinationFull as full:
                    refused.append(full.code)

        senders = [threading.Thread(target=send) for _ in range(8)]
        for sender in senders:
            sender.start()
        for sender in senders:
            sender.join(60)
        assert (len(world.peek("requests")), len(refused)) == (10, 30)


@pytest.mark.parametrize("body", ["x" * 11, b"x" * 11, "ä" * 6, memoryview(b"x" * 11), [1, 2, 3, 4, 5]])
def test_a_message_that_is_too_large_is_refused_with_what_is_allowed(tmp_path: Path, body: object) -> None:
    with running(tmp_path, bus(max_message_size=10)) as world:
        with pytest.raises(MessagingError, match=r"CF-BUS-174: a message of 1[0-9] bytes .*requests, which takes 10"):
            world.connect("alice").send("requests", body)
        world.connect("alice").send("requests", "x" * 10)
        assert len(world.peek("requests")) == 1


def test_without_a_word_a_hundred_megabytes_are_the_limit(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        with pytest.raises(MessagingError, match=r"CF-BUS-174.* takes 104857600"):
            world.connect("alice").send("requests", bytes(104857601))
