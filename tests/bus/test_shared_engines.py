"""Several engines on one store: each message is delivered by one of them, whatever befalls others (BUS-1)."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue

import pytest
from support_bus import World, start_world, weather_bus
from support_bus_store import StorePlace

from connector.spi import Message
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.feeder import Feeder

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


def engine_of(world: World) -> BusEngine:
    return world.adapter._buses["weather"].engine


def test_what_one_engine_sends_the_other_receives(worlds: tuple[World, World]) -> None:
    one, two = worlds
    one.connect("alice").send("uk", {"a": 1}, reply_to="replies")
    message = two.connect("bob").receive("uk", timeout=30)
    assert message is not None
    assert (message.body, message.reply_to, str(message.identity)) == ({"a": 1}, "replies", "alice@weather")
    assert one.connect("bob").receive("uk", timeout=0) is None


def test_whoever_waits_is_woken_by_what_the_other_engine_sends(worlds: tuple[World, World]) -> None:
    one, two = worlds
    got: SimpleQueue[Message | None] = SimpleQueue()
    waiting = threading.Thread(target=lambda: got.put(two.connect("bob").receive("uk", timeout=30)))
    waiting.start()
    one.connect("alice").send("uk", "x")
    message = got.get(timeout=30)
    waiting.join()
    assert message is not None
    assert message.body == "x"


def test_messages_come_in_the_order_of_priority_and_age_whichever_engine_they_come_from(
    worlds: tuple[World, World],
) -> None:
    one, two = worlds
    for number in range(6):
        worlds[number % 2].connect("alice").send("uk", number, priority=9 if number >= 4 else 4)
    for reader, wanted in ((one, [4, 5, 0]), (two, [1, 2, 3])):
        connection = reader.connect("bob")
        assert [message.body for _ in range(3) if (message := connection.receive("uk", timeout=0))] == wanted


def test_browsing_and_depths_show_what_is_free_in_the_store(worlds: tuple[World, World]) -> None:
    one, two = worlds
    for number in range(3):
        one.connect("alice").send("uk", number)
    assert [message.body for message in two.connect("bob").browse("uk")] == [0, 1, 2]
    shown = two.adapter.run_command("bus.show", {})["buses"][0]["destinations"]
    assert next(each for each in shown if each["name"] == "uk")["depth"] == 3


def test_handlers_of_both_engines_share_the_messages_and_none_comes_twice(worlds: tuple[World, World]) -> None:
    seen: SimpleQueue[tuple[str, int]] = SimpleQueue()
    for name, world in zip(("one", "two"), worlds, strict=True):
        world.activate(lambda message, name=name: seen.put((name, message.body)), concurrency=3)  # type: ignore[misc]
    connection = worlds[0].connect("alice")
    for number in range(100):
        connection.send("requests", number)
    delivered = [seen.get(timeout=30) for _ in range(100)]
    assert sorted(number for _, number in delivered) == list(range(100))
    for world in worlds:
        world.works.join()
    assert engine_of(worlds[0]).destinations.get("requests").queue.counts() == (0, 0)


def test_a_failed_delivery_is_counted_and_may_go_on_at_the_other_engine(worlds: tuple[World, World]) -> None:
    one, two = worlds
    failed = threading.Event()

    def failing(message: Message) -> None:
        failed.set()
        raise ValueError

    end = one.activate(failing, max_redeliveries=5, redelivery_delay=60.0)
    one.connect("alice").send("requests", "x")
    assert failed.wait(30)
    one.works.join()
    end()
    seen: SimpleQueue[Message] = SimpleQueue()
    two.activate(seen.put)
    one.advance(61)
    assert seen.get(timeout=30).delivery_count == 1


def test_replies_come_back_to_the_engine_that_asked(worlds: tuple[World, World]) -> None:
    """A reply queue lives in its connection's engine: who answers elsewhere can't reach it."""
    one, _ = worlds
    one.activate(lambda message: {"echo": message.body})
    assert one.connect("alice").request("requests", 7, timeout=30).body == {"echo": 7}


def test_an_engine_that_was_fenced_settles_nothing_and_begins_anew(
    worlds: tuple[World, World], shared_place: StorePlace
) -> None:
    """As a paused process: its delivery goes on after the message was given to somebody else."""
    one, two = worlds
    began, go_on = threading.Event(), threading.Event()
    seen: SimpleQueue[tuple[str, str]] = SimpleQueue()

    def paused(message: Message) -> None:
        began.set()
        go_on.wait(30)
        seen.put(("one", message.body))

    one.activate(paused, max_redeliveries=5)
    one.connect("alice").send("requests", "x")
    assert began.wait(30)
    shared_place.run_sql("UPDATE engines SET seen = seen - interval '1 hour' WHERE name = 'one'")
    end_two = two.activate(lambda message: seen.put(("two", message.body)))
    feeder_of(two).look()
    assert seen.get(timeout=30) == ("two", "x")
    two.works.join()
    end_two()
    go_on.set()
    assert seen.get(timeout=30) == ("one", "x"), "the paused one has run to its end, and could not settle"
    one.works.join()
    assert engine_of(two).destinations.get("requests").queue.counts() == (0, 0)
    feeder_of(one).look()
    two.connect("alice").send("requests", "y")
    assert seen.get(timeout=30) == ("one", "y"), "under its new epoch it takes part again"
    one.works.join()
    assert one.exceptions() == []


def feeder_of(world: World) -> Feeder:
    feeder = engine_of(world)._feeder
    assert feeder is not None
    return feeder


#: Sends numbered messages and settles what it gets, saying both, until it is killed.
VICTIM = """
import itertools, json, sys, threading
from pathlib import Path
from support_bus import start_world, weather_bus
from connector.spi import Secret
folder, name, settings = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
settings["store_password"] = Secret(settings["store_password"])
world = start_world(folder, {"weather": weather_bus(**settings)}, container=name)
def say(*words):
    sys.stdout.write(" ".join(map(str, words)) + "\\n")
    sys.stdout.flush()
def send():
    connection = world.connect("alice")
    for number in itertools.count():
        connection.send("uk", f"{name}-{number}")
        say("sent", f"{name}-{number}")
threading.Thread(target=send, daemon=True).start()
connection = world.connect("bob")
while True:
    message = connection.receive("uk", timeout=None)
    say("received", message.body)
"""


def test_engines_killed_at_random_lose_nothing_acknowledged_and_bring_nothing_settled_again(
    tmp_path: Path, shared_place: StorePlace
) -> None:
    settings = dict(shared_place.settings)
    settings["store_password"] = settings["store_password"].reveal()
    support = Path(sys.modules["support_bus"].__file__ or "").parent
    said: list[str] = []

    def life(name: str, lines: int) -> None:
        """One process from its start to its kill, after so many lines."""
        victim = subprocess.Popen(
            [sys.executable, "-c", VICTIM, str(tmp_path), name, json.dumps(settings)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(support)},
        )
        assert victim.stdout is not None
        mine = [victim.stdout.readline() for _ in range(lines)]
        victim.send_signal(signal.SIGKILL)
        mine += victim.stdout.readlines()
        victim.stdout.close()
        victim.wait(30)
        said.extend(line.rstrip("\n") for line in mine if line.endswith("\n"))

    for kills in (37, 61, 83):
        lives = [threading.Thread(target=life, args=(f"{engine}{kills}", kills)) for engine in ("a", "b")]
        for each in lives:
            each.start()
        for each in lives:
            each.join(60)
    last = shared_place.shared("the-last")
    # The server may take a moment to notice that a killed process is gone.
    assert any(last.look() and shared_place.run_sql("SELECT count(*) FROM engines") == [(1,)] for _ in range(1000))
    there = [stored.message().body for line in last.index() if (stored := last.read(line.sequence)) is not None]
    assert last.counts("uk", mediated=None) == (len(there), 0), "the dead engines' claims are free"
    sent = {line.split()[1] for line in said if line.startswith("sent")}
    received = Counter(line.split()[1] for line in said if line.startswith("received"))
    assert len(sent) > 50
    assert not [body for body, times in received.items() if times > 1], "settled twice"
    assert not set(received) & set(there), "settled and there again"
    lost = sent - set(received) - set(there)
    # Of each killed process one receipt may have been settled that it did not come to say.
    assert len(lost) <= 6
