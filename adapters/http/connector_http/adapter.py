"""The resource adapter: one front for each activation."""

from __future__ import annotations

import logging
import threading
from typing import final

from connector.spi import (
    ActivationHealth,
    ActivationSpec,
    BootstrapContext,
    MessageEndpointFactory,
    ResourceAdapter,
    WorkManager,
)
from connector_http.front import Front
from connector_http.settings import read_front

#: Seconds that requests under way are waited for when their activation ends.
DEACTIVATION_GRACE = 5.0

_LOG = logging.getLogger("connector_http")


@final
class HttpResourceAdapter(ResourceAdapter):
    """Requests over HTTP. Safe to use from any thread once started.

    Mutable state: `_works`, set by `start`; `_fronts`, changed under `_lock`.
    """

    def __init__(self) -> None:
        self._works: WorkManager | None = None
        self._lock = threading.Lock()
        self._fronts: dict[tuple[MessageEndpointFactory, ActivationSpec], Front] = {}

    def start(self, context: BootstrapContext) -> None:
        """Get ready; listens nowhere yet."""
        self._works = context.work_manager

    def stop(self) -> None:
        """End all fronts; blocks for a second at most for each."""
        with self._lock:
            fronts, self._fronts = list(self._fronts.values()), {}
        for front in fronts:
            front.stop(1.0)

    def validate_activation(self, spec: ActivationSpec) -> None:
        """Check its properties together. Raises ConfigError CF-HTTP-001 to -003."""
        read_front(spec.resource, spec.properties)

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Listen. Raises ConfigError CF-HTTP-004, ConnectionFailed CF-HTTP-005."""
        assert self._works is not None, "it has not been started"
        front = Front(spec.resource, read_front(spec.resource, spec.properties), endpoint_factory, self._works)
        front.start()
        with self._lock:
            self._fronts[endpoint_factory, spec] = front

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Take no more requests; blocks for at most some seconds for those under way. Harmless when not active."""
        with self._lock:
            front = self._fronts.pop((endpoint_factory, spec), None)
        if front is not None and not front.stop(DEACTIVATION_GRACE):
            _LOG.warning("%s still answers a request", spec.resource)

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """Whether it listens."""
        with self._lock:
            front = self._fronts.get((endpoint_factory, spec))
        return ActivationHealth(subscribed=front is not None and front.listens)

    def __repr__(self) -> str:
        return f"<HttpResourceAdapter with {len(self._fronts)} front(s)>"
