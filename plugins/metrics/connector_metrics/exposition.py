"""From measurements to the Prometheus text format, by `prometheus-client`. Pure.

Names become Prometheus's as OpenTelemetry says: dots to underscores, seconds named, counters end in `_total`; a timing
is a summary without quantiles: `…_seconds_sum` and `…_seconds_count`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client import generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric, SummaryMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4
from prometheus_client.registry import Collector

from connector.spi import IDENTITY, Instrument, Measurement

#: What an HTTP answer with the text says that it is.
CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def exposition(container: str, measurements: Iterable[Measurement], *, identities: bool) -> bytes:
    """The text of one container's measurements, UTF-8.

    Args:
        container: Its name, which each sample has as a label.
        measurements: What was measured.
        identities: Whether those that name a user are among them.
    """
    shown = [one for one in measurements if identities or IDENTITY not in one.attributes]
    return generate_latest(_Families(container, shown))


class _Families(Collector):
    """The measurements as the library wants to have them: each metric once, with all of its samples."""

    def __init__(self, container: str, measurements: list[Measurement]) -> None:
        self._container = container
        self._measurements = measurements

    def collect(self) -> Iterator[Metric]:
        """Yield one family for each name, in the order in which they come first."""
        of_name: dict[str, list[Measurement]] = {}
        for one in self._measurements:
            of_name.setdefault(one.name, []).append(one)
        for same in of_name.values():
            yield _family(self._container, same)


def _family(container: str, same: list[Measurement]) -> Metric:
    """The family of measurements of one name, which have the same instrument, unit and attributes."""
    first = same[0]
    name = _named(first.name) + ("_seconds" if first.unit == "s" else "")
    keys = tuple(first.attributes)
    names = ["container", *map(_named, keys)]
    samples = [([container, *(one.attributes[key] for key in keys)], one) for one in same]
    if first.instrument is Instrument.TIMING:
        timing = SummaryMetricFamily(name, first.description, labels=names)
        for labels, one in samples:
            timing.add_metric(labels, one.count or 0, one.value)
        return timing
    kind = GaugeMetricFamily if first.instrument is Instrument.GAUGE else CounterMetricFamily
    family = kind(name, first.description, labels=names)
    for labels, one in samples:
        family.add_metric(labels, one.value)
    return family


def _named(name: str) -> str:
    return name.replace(".", "_")
