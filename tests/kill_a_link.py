"""One end of a link in a process of its own, to be killed; run by tests/bus/test_link_kills.py, not a test itself.

    python kill_a_link.py britain|france FOLDER SOCKETS|OWN-PORT:OTHER-PORT|amqp:PORT RUN

Prints `ready`. Britain then sends to France, or to a queue of the broker at a port, as fast as it can, and prints the
body of each message once it is acknowledged; when its input ends it sends no more, waits until its queue is empty, and
prints `drained`.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

from support_bus import FakeContext, FakeIdentity, FakeWorkManager, MemoryAudit, World
from support_links import ALIASES, at_a_socket, britain
from support_network_links import BASIC, TestTls, at_a_port, chain_settings
from support_rabbitmq import LETTERS, password_of

from connector.spi import AuthenticationData, Secret, SystemClock
from connector_bus import BusResourceAdapter
from connector_bus.settings import transmission_queue


def say(text: str) -> None:
    print(text, flush=True)


def main(bus: str, folder: Path, way: str, run: str) -> None:
    identity = FakeIdentity()
    works = FakeWorkManager(identity, threaded=True)
    context = FakeContext(
        works, identity, folder, sections(bus, way), MemoryAudit(), SystemClock(), f"of-{bus}", TestTls(folder)
    )
    context.aliases["link"] = AuthenticationData("link", *_login(way))
    adapter = BusResourceAdapter()
    adapter.start(context)
    world = World(adapter, context)
    say("ready")
    ended = threading.Event()

    def wait_for_the_end() -> None:
        sys.stdin.read()
        ended.set()

    threading.Thread(target=wait_for_the_end, daemon=True).start()
    if bus == "britain":
        send(world, run, ended, f"{LETTERS}@rabbit" if way.startswith("amqp:") else "forecasts@france")
    ended.wait()
    world.stop()
    say("stopped")


def sections(bus: str, way: str) -> dict[str, Any]:
    own, found, other = way.partition(":")
    if own == "amqp":
        link = {"transport": "amqp", "endpoints": [f"127.0.0.1:{other}"], "alias": "link", "allow_plain": True}
        return {"buses": {bus: britain(foreign_buses={"rabbit": {"roles": {"sender": ["user:alice"]}, "link": link}})}}
    if not found:
        return {"buses": {bus: at_a_socket(bus, Path(way))}}
    return {"buses": {bus: at_a_port(bus, int(other), {}, over=BASIC)}, "chains": chain_settings(BASIC, int(own))}


def _login(way: str) -> tuple[str, Secret]:
    user, password = ("server", password_of("server")) if way.startswith("amqp:") else ALIASES["link"]
    return user, Secret(password)


def send(world: World, run: str, ended: threading.Event, to: str) -> None:
    number = 0
    with world.connect("alice", bus="britain") as connection:
        while not ended.is_set():
            body = f"{run}-{number}"
            connection.send(to, body)
            say(body)
            number += 1
    queue = world.adapter._buses["britain"].engine.destinations.get(transmission_queue(to.rpartition("@")[2])).queue
    while sum(queue.counts()):
        threading.Event().wait(0.01)  # no test: nobody tells a process that its queue is empty
    say("drained")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4])
