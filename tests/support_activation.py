"""An adapter whose activations fail, hang and are well or ill as a test says."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from connector.endpoint.activation import Activation
from connector.endpoint.backoff import Backoff
from connector.endpoint.factory import HandlerEndpointFactory
from connector.security.audit import MemoryAuditLog
from connector.spi import ActivationHealth, ActivationSpec, BootstrapContext, MessageEndpointFactory, ResourceAdapter
from connector.work.event_loop import EventLoopThread

PATIENCE = 10.0


class RecordingAdapter(ResourceAdapter):
    """Raises, hangs and answers as it is told; writes down what it is asked."""

    def __init__(self) -> None:
        self.on_activate: BaseException | None = None
        self.on_deactivate: BaseException | None = None
        self.hang: threading.Event | None = None
        self.health: ActivationHealth | Exception = ActivationHealth(subscribed=True)
        self.calls: list[str] = []
        self.seen: list[tuple[Any, Any]] = []

    def start(self, context: BootstrapContext) -> None: ...

    def stop(self) -> None: ...

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        self.calls.append("activate")
        self.seen.append((endpoint_factory, spec))
        if self.on_activate is not None:
            raise self.on_activate

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        self.calls.append("deactivate")
        self.seen.append((endpoint_factory, spec))
        if self.hang is not None:
            self.hang.wait(PATIENCE)
        if self.on_deactivate is not None:
            raise self.on_deactivate

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        if isinstance(self.health, Exception):
            raise self.health
        return self.health


class Errands:
    """In place of threads: what is spawned waits until it is run."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], object]] = []

    def spawn(self, name: str, action: Callable[[], object]) -> None:
        self.waiting.append(action)

    def run(self) -> int:
        """Run what waits; answers how much that was."""
        waiting, self.waiting = self.waiting, []
        for action in waiting:
            action()
        return len(waiting)


def at_once(name: str, action: Callable[[], object]) -> None:
    """In place of threads: now, and here."""
    action()


def quiet_factory() -> HandlerEndpointFactory:
    """A factory that delivers to nobody."""
    loop = EventLoopThread()
    loop.close()
    return HandlerEndpointFactory("orders", "jms/in", print, lookup=str, loop=loop, audit=MemoryAuditLog())


def activation_of(adapter: ResourceAdapter, factory: HandlerEndpointFactory, **options: Any) -> Activation:
    """An activation whose pauses are not scattered."""
    given = {"backoff": Backoff(chance=lambda: 0.0), **options}
    return Activation(adapter, factory, ActivationSpec("jms/orders"), **given)
