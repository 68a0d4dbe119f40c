"""One RabbitMQ for all tests here: starting it takes some seconds."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_rabbitmq import RabbitMQ, missing_part
from support_servers import missing
from support_wire import require_proton


@pytest.fixture(scope="session")
def rabbitmq() -> Iterator[RabbitMQ]:
    require_proton()
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with RabbitMQ() as broker:
        yield broker
