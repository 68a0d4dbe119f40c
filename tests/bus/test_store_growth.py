"""A store grows while it is used: a file by what comes, a shared one by engines as well, and nobody stops (BUS-1)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import SimpleQueue

import pytest
from support_bus import World, running, start_world, weather_bus
from support_bus_store import StorePlace

from connector.errors import ConnectorError
from connector_bus.store.shared_schema import SHARED

SIZE = 256 * 1024
#: What the present version of the shared store has brought, taken out again.
TO_THE_VERSION_BEFORE = (
    "ALTER TABLE subscriptions DROP COLUMN no_local; DELETE FROM schema_version;"
    f"INSERT INTO schema_version VALUES ({SHARED.version - 1})"
)


def size(folder: Path) -> int:
    return sum(each.stat().st_size for each in folder.glob("weather.db*"))


def test_a_file_grows_while_it_is_used_and_takes_its_space_again(tmp_path: Path) -> None:
    """Beside a receiver whose connection is open all the while; only the first filling makes it larger."""
    sizes = [0]
    with running(tmp_path) as world:
        alice, bob = world.connect("alice"), world.connect("bob")
        for filling in range(3):
            for number in range(40):
                alice.send("uk", bytes([filling]) + bytes([number]) * SIZE)
            sizes.append(size(tmp_path))
            for number in range(40):
                message = bob.receive("uk", timeout=0)
                assert message is not None
                assert message.body[:2] == bytes([filling, number])
            assert bob.receive("uk", timeout=0) is None
    empty, first, second, third = sizes
    assert first > empty + 40 * SIZE
    assert max(second, third) < first * 1.5, "what has gone made place for what came"


@contextmanager
def engine(folder: Path, place: StorePlace, name: str) -> Iterator[World]:
    """A container with the bus on the shared store."""
    world = start_world(folder, {"weather": weather_bus(**place.settings)}, threaded=True, container=name)
    try:
        yield world
    finally:
        world.stop()


@pytest.mark.postgresql
def test_an_engine_joins_while_the_other_one_works(tmp_path: Path, shared_place: StorePlace) -> None:
    """Sending goes on without a stop; from then on both deliver, and each message once."""
    seen: SimpleQueue[tuple[str, int]] = SimpleQueue()
    joined, enough = threading.Event(), threading.Event()
    sent: list[int] = []

    def send(world: World) -> None:
        with world.connect("alice") as connection:
            while not enough.is_set():
                connection.send("requests", len(sent))
                sent.append(len(sent))

    delivered: list[tuple[str, int]] = []
    with engine(tmp_path, shared_place, "one") as one:
        one.activate(lambda message: seen.put(("one", message.body)), concurrency=2)
        sending = threading.Thread(target=send, args=(one,))
        sending.start()
        try:
            delivered += [seen.get(timeout=30) for _ in range(20)]  # it works, and is going on to
            with engine(tmp_path, shared_place, "two") as two:
                two.activate(lambda message: seen.put(("two", message.body)), concurrency=2)
                while not joined.is_set():
                    delivered.append(seen.get(timeout=30))
                    if Counter(name for name, _ in delivered)["two"] >= 20:
                        joined.set()
                enough.set()
                sending.join(30)
                delivered += [seen.get(timeout=30) for _ in range(len(sent) - len(delivered))]
                two.works.join()
        finally:
            enough.set()
            sending.join(30)
        one.works.join()
    assert sorted(number for _, number in delivered) == sent
    assert {name for name, _ in delivered[:20]} == {"one"}


@pytest.mark.postgresql
def test_a_new_version_comes_while_an_engine_of_the_one_before_works(tmp_path: Path, shared_place: StorePlace) -> None:
    """It brings the store up, nothing of it is lost, and the older engine can write nothing that it doesn't know."""
    with engine(tmp_path, shared_place, "old") as old:
        with old.connect("alice") as connection:
            for number in range(5):
                connection.send("uk", number)
        shared_place.run_sql(TO_THE_VERSION_BEFORE)
        with engine(tmp_path, shared_place, "new") as new:
            assert shared_place.run_sql("SELECT max(version) FROM schema_version") == [(SHARED.version,)]
            assert shared_place.run_sql("SELECT name FROM engines") == [("new",)]
            with new.connect("alice") as connection:
                connection.send("uk", 5)
            with new.connect("bob") as connection:
                bodies = [message.body for _ in range(6) if (message := connection.receive("uk", timeout=0))]
            assert bodies == list(range(6))
            with old.connect("alice") as connection, pytest.raises(ConnectorError) as refused:
                connection.send("uk", "of an engine that has been fenced")
            assert refused.value.code in ("CF-BUS-080", "CF-BUS-081")
