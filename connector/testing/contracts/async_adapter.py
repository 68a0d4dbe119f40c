"""What the contracts for the asyncio side of adapters share: the bench with event loops, and the relay's patience."""

from __future__ import annotations

from typing import ClassVar

import pytest

from connector.testing.async_bench import AsyncBench
from connector.testing.bench import AdapterBench
from connector.testing.contracts.adapter import AdapterContract


class AsyncAdapterContract(AdapterContract):
    """The root of the contracts for asyncio; supply the fixture `connector_backend`."""

    #: After how many seconds without a turn an event loop counts as blocked. Nobody waits for it otherwise.
    patience: ClassVar[float] = 30.0

    @pytest.fixture
    def loops(self, bench: AdapterBench) -> AsyncBench:
        """The started adapter's asyncio side."""
        return AsyncBench(bench)
