"""The adapter passes the conformance kit against an engine of ours."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support_amqp_kit import BusInboundOverTheWire, BusOverTheWire
from support_wire import require_proton

from connector.testing import InboundContract, OutboundContract

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


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BusInboundOverTheWire]:
    require_proton()
    folder: Path = tmp_path_factory.mktemp("source")
    with BusInboundOverTheWire(folder) as backend:
        yield backend


class TestAmqpInboundOnOurBus(InboundContract):
    @pytest.fixture
    def connector_inbound(self, source: BusInboundOverTheWire) -> BusInboundOverTheWire:
        source.empty()
        return source
