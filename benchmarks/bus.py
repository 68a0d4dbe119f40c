"""Persistent messages, sent and received by an application, against kombu's SQLAlchemy transport; what security costs.

Both sides keep each message in a SQLite file with the same durability, write-ahead log and `synchronous=FULL`: a send
has returned and a receipt is acknowledged only when it is on disk. A round sends all its messages, then receives all.
"""

from __future__ import annotations

import importlib
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from benchmarks.bus_profile import open_buses
from benchmarks.harness import Result, compare
from connector import Container

_BODY = {"order": 4711, "item": "tea", "note": "x" * 200}

#: Sends or receives a number of messages, one after the other.
Side = Callable[[int], None]


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    kombu_connection: Any = importlib.import_module("kombu").Connection  # here: only this entry needs it

    count, rounds = (200, 3) if quick else (2000, 9)
    event.listen(Engine, "connect", _durable)  # the peer's engines are made out of our reach
    try:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            (folder / "profile").mkdir(mode=0o700)
            with (
                open_buses(folder / "profile") as container,
                kombu_connection(f"sqla+sqlite:///{folder / 'kombu.db'}") as kombu,
            ):
                ours, theirs = _ours(container, "jms/secured"), _theirs(kombu)
                return [
                    compare(
                        "persistent send and receive",
                        "kombu-sqlalchemy",
                        lambda: _rate(ours, count),
                        lambda: _rate(theirs, count),
                        goal=3.0,
                        unit="messages/s",
                        rounds=rounds,
                        better="higher",
                        note="one thread; each message is on disk once sent, and gone from it once received",
                    ),
                    compare(
                        "persistent send and receive, 8 threads",
                        "kombu-sqlalchemy",
                        lambda: _rate_of_threads(lambda: _ours(container, "jms/secured"), 8, count),
                        lambda: _rate_of_threads(lambda: _theirs(kombu.clone()), 8, count),
                        goal=3.0,
                        unit="messages/s",
                        rounds=rounds,
                        better="higher",
                        note="group commit: those who wait at one moment share a flush",
                    ),
                    compare(
                        "bus security on",
                        "bus security off",
                        lambda: _rate(_ours(container, "jms/secured"), count),
                        lambda: _rate(_ours(container, "jms/open"), count),
                        goal=0.95,
                        unit="messages/s",
                        rounds=rounds * 2,
                        better="higher",
                        note="the same container: sign-on, sender and receiver role, identity in the message",
                    ),
                ]
    finally:
        event.remove(Engine, "connect", _durable)


def _durable(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA busy_timeout=60000")
    cursor.close()


def _ours(container: Container, name: str) -> tuple[Side, Side]:
    factory = container.lookup(name)

    def send(count: int) -> None:
        with factory.get_connection() as connection:
            for _ in range(count):
                connection.send("orders", _BODY)

    def receive(count: int) -> None:
        with factory.get_connection() as connection:
            for _ in range(count):
                if connection.receive("orders", timeout=60).body != _BODY:
                    raise RuntimeError("another message than was sent")

    return send, receive


def _theirs(kombu: Any) -> tuple[Side, Side]:
    def send(count: int) -> None:
        queue = kombu.SimpleQueue("orders")
        for _ in range(count):
            queue.put(_BODY, serializer="json")
        queue.close()

    def receive(count: int) -> None:
        queue = kombu.SimpleQueue("orders")
        for _ in range(count):
            message = queue.get(timeout=60)
            if message.payload != _BODY:
                raise RuntimeError("another message than was sent")
            message.ack()
        queue.close()

    return send, receive


def _rate(side: tuple[Side, Side], count: int) -> float:
    began = time.perf_counter()
    for work in side:
        work(count)
    return count / (time.perf_counter() - began)


def _rate_of_threads(make: Callable[[], tuple[Side, Side]], threads: int, count: int) -> float:
    """All threads send, and then all receive."""
    sides = [make() for _ in range(threads)]
    began = time.perf_counter()
    for step in (0, 1):
        running = [threading.Thread(target=side[step], args=(count // threads,)) for side in sides]
        for thread in running:
            thread.start()
        for thread in running:
            thread.join()
    return count // threads * threads / (time.perf_counter() - began)
