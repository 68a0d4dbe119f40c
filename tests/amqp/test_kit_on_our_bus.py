"""The adapter passes the conformance kit against an engine of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_amqp_kit import BusOverTheWire
from support_wire import require_proton

from connector.testing import OutboundContract

pytestmark = pytest.mark.amqp


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusOverTheWire]:
    require_proton()
    folder: Path = tmp_path_factory.mktemp("bus")
    with BusOverTheWire(folder) as backend:
        yield backend


class TestAmqpOnOurBus(OutboundContract):
    @pytest.fixture
    def connector_backend(self, running: BusOverTheWire) -> BusOverTheWire:
        return running
