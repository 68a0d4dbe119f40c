"""The resource adapter: one object a container, with one thread for all its connections."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Mapping
from typing import Any, final

from connector.spi import (
    ActivationHealth,
    ActivationSpec,
    BootstrapContext,
    MessageEndpointFactory,
    ResourceAdapter,
    TransactionService,
    WorkManager,
)
from connector_amqp.activation import Activation
from connector_amqp.factory import AmqpManagedConnectionFactory, Dialler
from connector_amqp.failures import FailureCounts
from connector_amqp.library import load_proton
from connector_amqp.loop import LoopThread
from connector_amqp.settings import read_broker, read_subscription

#: Seconds that deliveries under way are waited for when their activation ends.
DEACTIVATION_GRACE = 5.0
#: Seconds that stopping may take.
STOP_GRACE = 2.0

_LOG = logging.getLogger("connector_amqp")


@final
class AmqpResourceAdapter(ResourceAdapter):
    """Connects applications and handlers to AMQP 1.0 brokers. Safe to use from any thread once started.

    Mutable state: `_dialler`, `_loop`, `_works` and `_transactions`, set by `start` before anything else is asked;
    `_activations`, changed under `_lock`.
    """

    def __init__(self) -> None:
        self._dialler: Dialler | None = None
        self._loop: LoopThread | None = None
        self._works: WorkManager | None = None
        self._transactions: TransactionService | None = None
        self._failures = FailureCounts()
        self._lock = threading.Lock()
        self._activations: dict[tuple[MessageEndpointFactory, ActivationSpec], Activation] = {}

    def start(self, context: BootstrapContext) -> None:
        """Get ready; connects to nothing and does not block."""
        self._loop = LoopThread(f"{context.container_name}-amqp")
        self._dialler = Dialler(self._loop, context.container_name, context.tls.client_context)
        self._works = context.work_manager
        self._transactions = context.transactions

    def stop(self) -> None:
        """End all activations and connections. Blocks for about two seconds at most."""
        with self._lock:
            activations, self._activations = list(self._activations.values()), {}
        end = time.monotonic() + STOP_GRACE
        for activation in activations:
            activation.stop(max(0.0, end - time.monotonic()))
        if self._loop is not None:
            self._loop.stop(STOP_GRACE)

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> AmqpManagedConnectionFactory:
        """The factory of one resource; does not connect. Raises ConfigError CF-AMQP-001 to -004."""
        load_proton()
        return AmqpManagedConnectionFactory(read_broker(resource, properties), self._started())

    def validate_activation(self, spec: ActivationSpec) -> None:
        """Check its properties together. Raises ConfigError CF-AMQP-001 to -006."""
        load_proton()
        read_subscription(spec.resource, spec.properties)

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Begin to deliver messages of a source to a handler, over a connection of its own.

        Blocks for connecting. Raises ConnectionFailed, LoginRefused CF-AMQP-012, SignOnError CF-AMQP-013 or -014,
        AccessDenied CF-AMQP-020 or -024, NameNotFound CF-AMQP-021, MessagingError (CHAIN-6); CF-AMQP-510 where a unit
        of work is demanded of a broker without transactions.
        """
        assert self._works is not None, "it has not been started"
        assert self._transactions is not None
        subscription = read_subscription(spec.resource, spec.properties)
        activation = Activation(
            self._started(), subscription, endpoint_factory, self._works, self._failures, self._transactions
        )
        activation.start()
        with self._lock:
            self._activations[endpoint_factory, spec] = activation

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """End it; blocks for at most about six seconds for deliveries under way. Harmless when it is not active."""
        with self._lock:
            activation = self._activations.pop((endpoint_factory, spec), None)
        if activation is not None and not activation.stop(DEACTIVATION_GRACE):
            _LOG.warning("%s is still delivering; the message comes again, whatever its end", spec.resource)

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """Whether messages reach the handler, when the broker was last heard of, what deliveries wait for."""
        with self._lock:
            activation = self._activations.get((endpoint_factory, spec))
        return ActivationHealth(subscribed=False) if activation is None else activation.health()

    def _started(self) -> Dialler:
        assert self._dialler is not None, "it has not been started"
        return self._dialler

    def __repr__(self) -> str:
        return f"<AmqpResourceAdapter with {len(self._activations)} activation(s)>"
