"""The adapter conforms: the kit's other way in, by subclassing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from connector.testing import OutboundContract
from connector_echo.conformance import EchoBackend


@pytest.fixture(scope="module")
def connector_backend() -> Iterator[EchoBackend]:
    with EchoBackend() as backend:
        yield backend


class TestEcho(OutboundContract):
    """All outbound profiles, those for asyncio included."""
