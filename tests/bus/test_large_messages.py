"""Messages of any size up to 100 MB, and a queue of large ones that is not held in memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from support_bus_store import StorePlace, message

from connector_bus.store.unit import StoreUnit

MEGABYTE = 1024 * 1024

#: Fills a queue with large messages and empties it; says by how many megabytes the process has grown at its most.
QUEUE = """
import resource, sys
from pathlib import Path
from support_bus import start_world
def most(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
world = start_world(Path(sys.argv[1]))
connection = world.connect("alice")
before, size, count = most(), 8 * 1024 * 1024, 40
for number in range(count):
    connection.send("uk", bytes([number]) * size)
world.stop()
world = start_world(Path(sys.argv[1]))
connection = world.connect("alice")
for number in range(count):
    body = connection.receive("uk", timeout=0).body
    assert len(body) == size and body[0] == body[-1] == number
world.stop()
print(most() - before)
"""


@pytest.mark.slow
def test_a_message_of_a_hundred_megabytes_reads_back(place: StorePlace) -> None:
    body = b"0123456789abcdef" * (100 * MEGABYTE // 16)
    store = place.open()
    store.commit(StoreUnit((message(1, body),)))
    stored = store.read(1)
    assert stored is not None
    assert stored.message().body == body


@pytest.mark.slow
def test_a_queue_of_large_messages_is_not_held_in_memory(tmp_path: Path) -> None:
    support = Path(sys.modules["support_bus_store"].__file__ or "").parent
    done = subprocess.run(
        [sys.executable, "-c", QUEUE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": str(support)},
    )
    assert int(done.stdout) < 150, "320 MB went through the queue"
