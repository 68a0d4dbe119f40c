"""A pool's figures by OpenTelemetry's names (POOL-6). Pure.

=========================================  ===========================================================================
name                                       what of `PoolStatistics`
=========================================  ===========================================================================
db.client.connection.count                 `free` and `in_use`, by `db.client.connection.state` (idle, used)
db.client.connection.max                   `max_size`
db.client.connection.idle.min              `min_size`
db.client.connection.pending_requests      `waiting`
db.client.connection.timeouts              `timeouts`
db.client.connection.wait_time             `wait_seconds_total` of `waits`: of borrowers that had to wait, not of all
db.client.connection.create_time           `opening`
db.client.connection.use_time              `use`: of traced leases, one in 128 unless all are
connector.pool.connections                 `by_identity`, by `connector.identity` and state
connector.pool.connections.changing        `changing`
connector.pool.connections.opened, …       `created`; `.replaced`, `.reauthenticated`, `.broken`, `.abandoned`,
                                           `.overstayed`, `.leaks`, `.validated`, `.invalid`
connector.pool.connections.closed          `destroyed_for`, by `connector.reason`
connector.pool.failed_logins               `failed_logins`
connector.pool.spared_logins               `spared_logins`
=========================================  ===========================================================================

All of them have the attribute `db.client.connection.pool.name`. A timing is a sum and a count: no histogram, whose
buckets would have to be filled on the way of every lease.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from connector.spi import IDENTITY, Instrument, Measurement

if TYPE_CHECKING:
    from connector.pool.statistics import PoolStatistics

POOL_NAME = "db.client.connection.pool.name"
STATE = "db.client.connection.state"
REASON = "connector.reason"

_CONNECTION = "db.client.connection"
# Not `.created`: OpenMetrics takes that suffix for the time stamp of a counter.
_TOTALS = {
    "opened": ("created", "Connections opened."),
    "replaced": ("replaced", "Connections that gave way to another identity or to a newer credential."),
    "broken": ("broken", "Connections that reported an error."),
    "reauthenticated": ("reauthenticated", "Connections signed on anew in place, as another user."),
    "abandoned": ("abandoned", "Leases that were never closed."),
    "overstayed": ("overstayed", "Leases that were open at the end of their login or work."),
    "leaks": ("leaks", "Leases that were reported for lasting too long."),
    "validated": ("validated", "Times that a connection was asked whether it is still good."),
    "invalid": ("invalid", "Those among them where it was not."),
}


@dataclass(frozen=True, slots=True)
class Durations:
    """How long something took, all times together.

    Attributes:
        count: How often.
        seconds: For how long, summed up.
    """

    count: int
    seconds: float


def measurements_of(statistics: PoolStatistics, pool: str) -> tuple[Measurement, ...]:
    """The figures of one snapshot; the table above says which.

    Args:
        statistics: The snapshot.
        pool: The pool's name, which is its resource's.
    """
    return (*_now(statistics, pool), *_so_far(statistics, pool), *_by_identity(statistics, pool))


def by_name(measurements: Iterable[Measurement]) -> dict[str, list[dict[str, Any]]]:
    """The same as plain data: by name the points, each with value, unit and attributes, a timing with its count."""
    plain: dict[str, list[dict[str, Any]]] = {}
    for one in measurements:
        point: dict[str, Any] = {"value": one.value, "unit": one.unit, "attributes": dict(one.attributes)}
        if one.count is not None:
            point["count"] = one.count
        plain.setdefault(one.name, []).append(point)
    return plain


def _now(statistics: PoolStatistics, pool: str) -> Iterator[Measurement]:
    def gauge(name: str, value: int, unit: str, description: str, state: str | None = None) -> Measurement:
        return Measurement(name, Instrument.GAUGE, value, unit, description, _attributes(pool, state))

    count = f"{_CONNECTION}.count"
    yield gauge(count, statistics.free, "{connection}", "Connections now, by state.", state="idle")
    yield gauge(count, statistics.in_use, "{connection}", "Connections now, by state.", state="used")
    yield gauge(f"{_CONNECTION}.max", statistics.max_size, "{connection}", "The limit over all identities.")
    yield gauge(f"{_CONNECTION}.pending_requests", statistics.waiting, "{request}", "Borrowers that wait now.")
    yield gauge(f"{_CONNECTION}.idle.min", statistics.min_size, "{connection}", "Connections that are kept.")
    changing = "Places held by connections that are being opened or closed now."
    yield gauge("connector.pool.connections.changing", statistics.changing, "{connection}", changing)


def _so_far(statistics: PoolStatistics, pool: str) -> Iterator[Measurement]:
    def counter(name: str, value: int, unit: str, description: str) -> Measurement:
        return Measurement(name, Instrument.COUNTER, value, unit, description, _attributes(pool))

    yield counter(f"{_CONNECTION}.timeouts", statistics.timeouts, "{timeout}", "Borrowers that waited in vain.")
    for name, (figure, description) in _TOTALS.items():
        yield counter(f"connector.pool.connections.{name}", getattr(statistics, figure), "{connection}", description)
    refused = "Times that the external system refused a credential."
    yield counter("connector.pool.failed_logins", statistics.failed_logins, "{login}", refused)
    spared = "Logins not tried, since the credential had been refused a moment before."
    yield counter("connector.pool.spared_logins", statistics.spared_logins, "{login}", spared)
    for why, count in sorted(statistics.destroyed_for.items()):
        yield Measurement(
            "connector.pool.connections.closed",
            Instrument.COUNTER,
            count,
            "{connection}",
            "Connections taken out of the pool to be closed, by reason.",
            MappingProxyType({**_attributes(pool), REASON: why}),
        )
    for name, durations, description in (
        ("wait_time", Durations(statistics.waits, statistics.wait_seconds_total), "Waits for a connection."),
        ("create_time", statistics.opening, "Opening connections."),
        ("use_time", statistics.use, "Connections on loan."),
    ):
        if durations is not None:
            yield Measurement(
                f"{_CONNECTION}.{name}",
                Instrument.TIMING,
                durations.seconds,
                "s",
                description,
                _attributes(pool),
                durations.count,
            )


def _by_identity(statistics: PoolStatistics, pool: str) -> Iterator[Measurement]:
    for identity, connections in sorted(statistics.by_identity.items()):
        used = statistics.used_by_identity.get(identity, 0)
        for state, value in (("idle", connections - used), ("used", used)):
            yield Measurement(
                "connector.pool.connections",
                Instrument.GAUGE,
                value,
                "{connection}",
                "Connections now by the user that each acts as.",
                MappingProxyType({**_attributes(pool, state), IDENTITY: identity}),
            )


def _attributes(pool: str, state: str | None = None) -> Mapping[str, str]:
    return MappingProxyType({POOL_NAME: pool} if state is None else {POOL_NAME: pool, STATE: state})
