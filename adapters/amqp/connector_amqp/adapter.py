"""The resource adapter: one object a container, with one thread for all its connections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

from connector.spi import BootstrapContext, ResourceAdapter
from connector_amqp.factory import AmqpManagedConnectionFactory, Dialler
from connector_amqp.library import load_proton
from connector_amqp.loop import LoopThread
from connector_amqp.settings import read_broker

#: Seconds that stopping may take.
STOP_GRACE = 2.0


@final
class AmqpResourceAdapter(ResourceAdapter):
    """Connects applications and handlers to AMQP 1.0 brokers. Safe to use from any thread once started."""

    def __init__(self) -> None:
        # Set by `start`, before anything else is asked; never changed afterwards.
        self._dialler: Dialler | None = None
        self._loop: LoopThread | None = None

    def start(self, context: BootstrapContext) -> None:
        """Get ready; connects to nothing and does not block."""
        self._loop = LoopThread(f"{context.container_name}-amqp")
        self._dialler = Dialler(self._loop, context.container_name, context.tls.client_context)

    def stop(self) -> None:
        """End all connections. Blocks for about two seconds at most."""
        if self._loop is not None:
            self._loop.stop(STOP_GRACE)

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> AmqpManagedConnectionFactory:
        """The factory of one resource; does not connect. Raises ConfigError CF-AMQP-001 to -004."""
        load_proton()
        return AmqpManagedConnectionFactory(read_broker(resource, properties), self._started())

    def _started(self) -> Dialler:
        assert self._dialler is not None, "it has not been started"
        return self._dialler

    def __repr__(self) -> str:
        return "<AmqpResourceAdapter>"
