"""Metrics in the Prometheus text format: a plugin (group `connector.plugins`, name `metrics`; OPS-2).

It counts audit events and reads the container's measurements; it sees no more than `connector.spi.ObservedContainer`
shows. Where the configuration has `[metrics] listen`, it serves them on loopback. The library `prometheus-client` comes
with the extra `metrics` and is imported only when metrics are asked for.
"""

from connector_metrics.plugin import MetricsPlugin

#: What the entry point names: one for the process, for all containers in it.
plugin = MetricsPlugin()

__all__ = ["MetricsPlugin", "plugin"]
