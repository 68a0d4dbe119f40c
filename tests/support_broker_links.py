"""A bus with a link to a broker of another make, and the broker's queues as another client of it sees them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from support_bus import running
from support_links import Country, britain
from support_rabbitmq import RabbitMQ, password_of

ALIASES = {"link": ("server", password_of("server")), "confined": ("confined", password_of("confined"))}


def settings(port: int, **link: Any) -> dict[str, Any]:
    way = {
        "transport": "amqp",
        "endpoints": [f"127.0.0.1:{port}"],
        "alias": "link",
        "allow_plain": True,
        **link,
    }
    destinations = {"replies": {}, "inbox": {}, "narrow": {"max_depth": 2}, "closed": {"inherit_defaults": False}}
    return britain(
        destinations=destinations, foreign_buses={"rabbit": {"roles": {"sender": ["user:alice"]}, "link": way}}
    )


class Site(Country):
    """Britain with a link to the broker."""

    def until(self, is_so: Callable[[], bool], seconds: float = 12.0) -> None:
        """Work off, and wait for what happens in other threads and at the broker."""
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, str(self.link("rabbit"))
            self.pump()
            self.advance(5)
            time.sleep(0.02)  # no test of time: the broker tells nobody when it has done something

    @property
    def received(self) -> Mapping[str, Any]:
        told: Mapping[str, Any] = self.link("rabbit")["receives"]
        return told


@contextmanager
def linked(folder: Path, port: int, **link: Any) -> Iterator[Site]:
    with running(folder, {"britain": settings(port, **link)}, aliases=ALIASES) as world:
        yield Site(world, "britain")


@contextmanager
def client(broker: RabbitMQ) -> Iterator[Any]:
    from proton.utils import BlockingConnection

    connection = BlockingConnection(
        f"amqp://127.0.0.1:{broker.port}",
        user="bob",
        password=password_of("bob"),
        allow_insecure_mechs=True,
        timeout=10,
    )
    try:
        yield connection
    finally:
        connection.close()


def write(broker: RabbitMQ, queue: str, *bodies: Any, **fields: Any) -> None:
    from proton import Message as Wire

    with client(broker) as connection:
        sender = connection.create_sender(queue)
        for body in bodies:
            sender.send(Wire(body=body, durable=True, **fields))


def read(broker: RabbitMQ, queue: str, count: int | None = None, pause: float = 3) -> list[Any]:
    """The messages of a queue there: so many, or what there is until none has come for `pause` seconds."""
    from proton import Timeout

    found: list[Any] = []
    with client(broker) as connection:
        receiver = connection.create_receiver(queue, credit=200)
        try:
            while count is None or len(found) < count:
                found.append(receiver.receive(timeout=10 if count is not None else pause))
                receiver.accept()
        except Timeout:
            assert count is None, f"{len(found)} of {count} in {queue}"
    return found
