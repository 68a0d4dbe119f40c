"""Delivery delay: nobody sees a message before it is due, whatever happens meanwhile (BUS-1)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_bus import running, weather_bus
from support_bus_store import StorePlace

from connector.errors import MessagingError
from connector_bus.store.contract import IndexLine
from connector_bus.store.unit import StoreUnit


def test_a_delayed_message_can_t_be_received_or_browsed_before_it_is_due(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "later", delay=60.0)
        connection.send("requests", "now")
        assert [message.body for message in connection.browse("requests")] == ["now"]
        assert connection.receive("requests", timeout=0).body == "now"  # type: ignore[union-attr]
        world.advance(59.9)
        assert connection.receive("requests", timeout=0) is None
        world.advance(0.1)
        message = connection.receive("requests", timeout=0)
        assert message is not None
        assert (message.body, message.deliver_at) == ("later", 1_000_060.0)


def test_a_handler_gets_it_when_it_is_due(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        got: list[object] = []
        world.activate(lambda message: got.append(message.body))
        world.connect("alice").send("requests", "later", delay=60.0)
        assert world.works.pump() == 0
        world.advance(60.0)
        world.works.pump()
        assert got == ["later"]


@pytest.mark.parametrize(("later", "seen"), [(0.0, False), (30.0, False), (61.0, True)])
def test_a_restart_keeps_the_time_and_what_is_past_due_is_there_at_once(
    tmp_path: Path, later: float, seen: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "later", delay=60.0)
    monkeypatch.setattr("support_bus.ManualClock.__init__", lambda clock: setattr(clock, "now", 1_000_000.0 + later))
    with running(tmp_path) as world:
        assert bool(world.peek("requests")) is seen
        world.advance(60.0)
        assert [message.body for message in world.peek("requests")] == ["later"]


def test_a_clock_that_is_put_back_does_not_let_it_out_early(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.connect("alice").send("requests", "later", delay=60.0)
        clock, alarm = world.context.clock, world.alarms[0]
        clock.time = lambda: clock.now - 100.0
        alarm.advance(60.0)
        assert world.peek("requests") == []
        alarm.advance(100.0)
        assert len(world.peek("requests")) == 1


def test_administration_is_shown_how_many_are_not_due(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        assert world.adapter.run_command("show", {})["buses"][0]["destinations"][0]["delayed"] == 0
        world.connect("alice").send("requests", "later", delay=60.0)
        assert world.adapter.run_command("show", {})["buses"][0]["destinations"][0]["delayed"] == 1


def test_it_expires_by_the_time_of_its_sending(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "never", delay=60.0, time_to_live=30.0)
        world.advance(60.0)
        assert connection.receive("requests", timeout=0) is None
        assert world.adapter.run_command("show", {})["buses"][0]["expired"] == 1


def test_a_selector_that_comes_meanwhile_knows_it(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("requests", "later", delay=60.0, properties={"n": 1})
        assert connection.receive("requests", timeout=0, selector="n = 1") is None
        world.advance(60.0)
        assert connection.receive("requests", timeout=0, selector="n = 1") is not None


@pytest.mark.parametrize("delay", [-1.0, float("nan"), float("inf"), 1e9])
def test_an_impossible_delay_is_refused(tmp_path: Path, delay: float) -> None:
    with running(tmp_path) as world, pytest.raises(MessagingError, match="CF-BUS-172"):
        world.connect("alice").send("requests", "x", delay=delay)


@pytest.mark.postgresql
def test_engines_that_share_a_store_keep_it_back_too(tmp_path: Path, shared_place: StorePlace) -> None:
    buses = {"weather": weather_bus(**shared_place.settings)}
    with running(tmp_path / "a", buses) as one, running(tmp_path / "b", buses, container="other") as two:
        one.connect("alice").send("requests", "later", delay=60.0)
        connection = two.connect("alice")
        assert connection.receive("requests", timeout=0) is None
        assert list(connection.browse("requests")) == []
        two.advance(60.0)  # the alarm that the empty claim has set has it claimed without anybody asking again
        message = connection.receive("requests", timeout=30)
        assert message is not None
        assert message.body == "later"


def test_the_index_says_when_a_message_is_due(place: StorePlace) -> None:
    from dataclasses import replace

    from support_bus_store import message

    stored = message(1)
    store = place.open()
    store.commit(StoreUnit(insert=(replace(stored, header=stored.header.replace(deliver_at=77.5)),)))
    (line,) = store.index()
    assert line == IndexLine(1, "q", 7, 9.5, 0, mediated=True, group="g", deliver_at=77.5)
    found = store.read(1)
    assert found is not None
    assert found.header.deliver_at == 77.5
