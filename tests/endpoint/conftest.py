"""A loop, an audit log and a maker of endpoint factories over them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from support_endpoint import PATIENCE, ROLES, Make, RecordingUnits

from connector.endpoint.factory import HandlerEndpointFactory
from connector.security.audit import MemoryAuditLog
from connector.work.event_loop import EventLoopThread


@pytest.fixture
def loop() -> Iterator[EventLoopThread]:
    thread = EventLoopThread()
    yield thread
    assert thread.close(PATIENCE)


@pytest.fixture
def audit() -> MemoryAuditLog:
    return MemoryAuditLog()


@pytest.fixture
def units() -> RecordingUnits:
    return RecordingUnits()


@pytest.fixture
def make(loop: EventLoopThread, audit: MemoryAuditLog) -> Make:
    def make_factory(handler: Callable[..., Any], **settings: Any) -> HandlerEndpointFactory:
        given = {"role_map": ROLES, "lookup": lambda name: f"factory {name}", "loop": loop, "audit": audit, **settings}
        return HandlerEndpointFactory("orders", "jms/in", handler, **given)

    return make_factory
