"""The plugin itself: hears audit events, sees containers, serves their metrics where the configuration says so."""

from __future__ import annotations

import logging
from collections import defaultdict
from threading import Lock
from typing import TYPE_CHECKING, final

from connector.errors import PluginError, Reason
from connector.spi import AuditEvent, ObservedContainer
from connector.spi.hooks import hookimpl
from connector_metrics.event_counts import EventCounts

if TYPE_CHECKING:
    from connector_metrics.server import MetricsServer

LIBRARY_MISSING = Reason(
    "CF-METR-003",
    "[metrics] is configured and the library prometheus-client is not installed.",
    "Install connector-framework[metrics], or remove the section.",
)

SECTION = "metrics"

log = logging.getLogger("connector.metrics")


@final
class MetricsPlugin:
    """All containers of the process: their counts, and the server of each that asks for one. Safe from any thread."""

    # Mutable state, under `_lock`: `_counts` by container, kept for as long as the process lives, since counters that
    # go down would be taken for a restart; `_servers` of the containers that run, the newest last.

    def __init__(self) -> None:
        self._lock = Lock()
        self._counts: defaultdict[str, EventCounts] = defaultdict(EventCounts)
        self._servers: defaultdict[str, list[MetricsServer]] = defaultdict(list)

    @hookimpl
    def connector_audit_event(self, event: AuditEvent, container: str) -> None:
        """Count it. Does not block."""
        self._counts_of(container).note(event)

    @hookimpl
    def connector_container_started(self, container: str, observed: ObservedContainer) -> None:
        """Begin to serve where `[metrics]` is configured. Raises ConfigError, PluginError (CF-METR-…)."""
        settings = observed.sections.get(SECTION)
        if settings is None:
            return
        # Imported here: a container without the section needn't pay for http.server with each of its starts.
        from connector_metrics.listen_address import listen_address
        from connector_metrics.server import MetricsServer

        address = listen_address(settings["listen"])
        content_type = _content_type()
        identities = bool(settings["identities"])
        server = MetricsServer(address, lambda: self.exposition(observed, identities=identities), content_type)
        with self._lock:
            self._servers[container].append(server)
        log.info("metrics of container %s are served at http://%s/metrics", container, server.address)

    @hookimpl
    def connector_container_stopping(self, container: str) -> None:
        """Stop serving. Blocks for a tenth of a second."""
        with self._lock:
            servers = self._servers[container]
            server = servers.pop() if servers else None
        if server is not None:
            server.close()

    def exposition(self, observed: ObservedContainer, *, identities: bool = False) -> bytes:
        """A container's metrics in the Prometheus text format; for an application that serves them itself.

        Args:
            observed: The container.
            identities: Whether connections are also told by the user that they act as.

        Does not block, except for closing connections that were never given back. Raises PluginError (CF-METR-003).
        """
        _content_type()
        from connector_metrics.exposition import exposition

        counted = self._counts_of(observed.name).measurements()
        return exposition(observed.name, (*observed.measurements(), *counted), identities=identities)

    def server(self, container: str) -> MetricsServer | None:
        """The server of a running container, or None where it has none."""
        with self._lock:
            servers = self._servers[container]
            return servers[-1] if servers else None

    def _counts_of(self, container: str) -> EventCounts:
        with self._lock:
            return self._counts[container]

    def __repr__(self) -> str:
        return f"<MetricsPlugin of {', '.join(sorted(self._counts)) or 'no container'}>"


def _content_type() -> str:
    """What the text is; the first time this imports the library. Raises PluginError (CF-METR-003) without it."""
    try:
        from connector_metrics.exposition import CONTENT_TYPE
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "prometheus_client":
            raise
        raise PluginError(LIBRARY_MISSING) from None
    return CONTENT_TYPE
