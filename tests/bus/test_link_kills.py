"""Either end of a link is killed under load, again and again: nothing is lost, nothing comes twice (BUS-9)."""

from __future__ import annotations

import os
import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_link_ends import End
from support_rabbitmq import free_port
from support_wire import require_proton

from connector_bus.store.sqlite_store import SqliteStore

#: How often one of the ends is killed; more at will.
KILLS = int(os.environ.get("CONNECTOR_LINK_KILLS", "8"))


@pytest.fixture(params=["local", pytest.param("chain", marks=pytest.mark.amqp)])
def ways(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """How Britain and France reach each other."""
    if request.param == "chain":
        require_proton()
        one, other = free_port(), free_port()
        yield f"{one}:{other}", f"{other}:{one}"
        return
    with tempfile.TemporaryDirectory(prefix="l-", dir="/tmp") as sockets:
        yield sockets, sockets


def test_nothing_is_lost_or_doubled_when_either_end_is_killed(tmp_path: Path, ways: tuple[str, str]) -> None:
    chance = random.Random(int(os.environ.get("CONNECTOR_LINK_SEED", "7")))
    here_way, there_way = ways
    there = End("france", tmp_path / "france", there_way)
    here = End("britain", tmp_path / "britain", here_way)
    for _ in range(KILLS):
        here.listen(chance.randint(1, 300))
        victim = chance.choice((here, there))
        victim.kill()
        victim.start()
    here.listen(20)
    *rest, drained, stopped = here.end()
    here.acknowledged += rest
    assert (drained, stopped) == ("drained", "stopped")
    assert there.end() == ["stopped"]
    store = SqliteStore(tmp_path / "france" / "france.db")
    lines = [store.read(line.sequence) for line in store.index()]
    arrived = Counter(stored.message().body for stored in lines if stored is not None)
    held = store.received("britain")
    store.close()
    assert [body for body, count in arrived.items() if count > 1] == []
    assert set(here.acknowledged) - set(arrived) == set()
    assert len(here.acknowledged) > KILLS
    assert len(held) <= 64  # what is remembered of it does not grow
