"""What the client is tried on: a bus of ours for each test, one RabbitMQ for all, since starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_amqp import Client, client
from support_rabbitmq import RabbitMQ, missing_part
from support_servers import missing
from support_wire import Wire, require_proton, wire


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    require_proton()
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with RabbitMQ() as broker:
        yield broker


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Wire]:
    require_proton()
    with wire(tmp_path) as running:
        yield running


@pytest.fixture
def shop(bus: Wire, tmp_path: Path) -> Iterator[Client]:
    """A client's container, whose `jms/remote` is the bus."""
    with client(tmp_path / "client", bus.port()) as container:
        yield container
