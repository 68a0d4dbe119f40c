"""What the contracts for inbound adapters share: the bench."""

from __future__ import annotations

from typing import ClassVar

import pytest

from connector.testing.contract import Contract
from connector.testing.inbound_bench import InboundBench


class InboundAdapterContract(Contract):
    """The root of the contracts for inbound adapters; supply the fixture `connector_inbound`."""

    kind: ClassVar[str] = "inbound"

    @pytest.fixture
    def bench(self, connector_inbound_bench: InboundBench) -> InboundBench:
        """A started adapter on the author's source."""
        return connector_inbound_bench
