"""Where messages go that can't be delivered: per destination, and nowhere silently (BUS-11)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from support_bus import running, weather_bus

from connector.spi import Message, Ordering


def bus(**settings: Any) -> dict[str, Any]:
    return {"weather": weather_bus(destinations={"requests": settings, "uk": {}, "failed": {}})}


def fail(message: Message) -> None:
    raise ValueError


def test_a_destination_names_its_own(tmp_path: Path) -> None:
    with running(tmp_path, bus(exception_destination="failed")) as world:
        world.activate(fail)
        world.activate(fail, "uk")
        world.connect("alice").send("requests", "x")
        world.connect("alice").send("uk", "y")
        world.works.pump()
        (message,) = world.peek("failed")
        assert message.properties["exception_destination"] == "requests"
        assert [other.body for other in world.exceptions()] == ["y"]


def test_what_fails_there_as_well_goes_to_the_one_of_the_bus(tmp_path: Path) -> None:
    with running(tmp_path, bus(exception_destination="failed")) as world:
        world.activate(fail)
        world.activate(fail, "failed")
        world.connect("alice").send("requests", "x")
        world.works.pump()
        (message,) = world.exceptions()
        assert message.properties["exception_destination"] == "failed"


def test_with_none_a_message_stays_and_is_tried_again_after_a_pause(tmp_path: Path) -> None:
    with running(tmp_path, bus(exception_destination="none")) as world:
        tried: list[object] = []

        def handler(message: Message) -> None:
            tried.append(message.body)
            if message.body == "bad":
                raise ValueError

        world.activate(handler, max_redeliveries=1)
        for body in ("bad", "good"):
            world.connect("alice").send("requests", body)
        world.works.pump()
        assert tried == ["bad", "bad", "good"]  # nobody said that the order counts: the others go on
        world.advance(29.9)
        assert world.works.pump() == 0
        world.advance(0.1)
        world.works.pump()
        assert tried == ["bad", "bad", "good", "bad"]
        assert world.exceptions() == []


def test_with_none_nothing_overtakes_it_where_the_order_counts(tmp_path: Path) -> None:
    with running(tmp_path, bus(exception_destination="none")) as world:
        tried: list[object] = []

        def handler(message: Message) -> None:
            tried.append(message.body)
            if len(tried) < 3:
                raise ValueError

        world.activate(handler, ordering=Ordering.QUEUE)
        for body in ("bad", "good"):
            world.connect("alice").send("requests", body)
        world.works.pump()
        for _ in range(2):
            world.advance(30.0)
            world.works.pump()
        assert tried == ["bad", "bad", "bad", "good"]


def test_it_is_still_there_after_a_restart_with_its_attempts(tmp_path: Path) -> None:
    with running(tmp_path, bus(exception_destination="none")) as world:
        world.activate(fail)
        world.connect("alice").send("requests", "x")
        world.works.pump()
    with running(tmp_path, bus(exception_destination="none")) as world:
        counts: list[int] = []
        world.activate(lambda message: counts.append(message.delivery_count))
        world.works.pump()
        assert counts == [1]
