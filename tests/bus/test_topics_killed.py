"""A process that is killed while it publishes: each publication is on all of its durable subscriptions, or on none."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from support_bus import running, weather_bus

SETTINGS: dict[str, Any] = {"weather": weather_bus(destinations={"news": {"type": "topic-space"}})}
NAMES = ("all", "uk", "shared")

PUBLISHER = """
import sys
from pathlib import Path
from support_bus import start_world
from test_topics_killed import SETTINGS

connection = start_world(Path(sys.argv[1]), SETTINGS).connect("alice")
number = int(sys.argv[2])
while True:
    connection.send("news", number, topic="uk/london")
    print(number, flush=True)
    number += 1
"""


def publish_and_kill(folder: Path, first: int, acknowledged: int) -> int:
    """Publish from a number on until so many have been acknowledged, then kill; answers the last that was told."""
    here = Path(__file__).parent
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join((str(here), str(here.parent)))}
    with subprocess.Popen(
        [sys.executable, "-c", PUBLISHER, str(folder), str(first)], env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(acknowledged):
            line = process.stdout.readline()
            assert line, "the publisher ended by itself"
        process.send_signal(signal.SIGKILL)
        told = [line, *process.stdout]
        process.wait()
    return int(next(line for line in reversed(told) if line.endswith("\n")))


def held(folder: Path) -> dict[str, list[Any]]:
    with running(folder, SETTINGS) as world:
        engine = world.adapter._buses["weather"].engine
        topics = engine.topics
        return {name: [message.body for message in engine.peek(topics.named(name).destination)] for name in NAMES}


def test_nothing_acknowledged_is_lost_and_no_publication_is_there_by_halves(tmp_path: Path) -> None:
    dice = random.Random(41)
    with running(tmp_path, SETTINGS) as world, world.connect("bob") as connection:
        connection.subscribe("news", name="all", durable=True)
        connection.subscribe("news", "uk/*", name="uk", durable=True)
        connection.subscribe("news", "uk/#", name="shared", durable=True, shared=True)
    first = 0
    for _ in range(3):
        last = publish_and_kill(tmp_path, first, dice.randint(1, 40))
        found = held(tmp_path)
        assert found["all"] == found["uk"] == found["shared"] == list(range(len(found["all"])))
        assert len(found["all"]) - 1 in (last, last + 1)  # one may have been written and not yet told
        first = len(found["all"])
