"""The pools of one resource by kind: one for threads, and one for each asyncio loop; their figures together. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType

from connector.container.resources import Resource
from connector.pool.measurements import Durations, measurements_of
from connector.pool.statistics import PooledConnection, PoolStatistics
from connector.spi import Measurement

#: The attribute that tells a resource's pools apart in measurements; its value is one of `PoolKind`.
KIND = "connector.pool.kind"


class PoolKind(Enum):
    """For whom a pool is."""

    THREADS = "threads"
    LOOP = "loop"  # the tasks of one asyncio event loop


def figures_of(resource: Resource) -> tuple[tuple[PoolKind, PoolStatistics], ...]:
    """The figures of each pool of a resource, that for threads first. Does not block, except for abandoned leases."""
    loops = resource.async_pools.statistics() if resource.async_pools is not None else ()
    return ((PoolKind.THREADS, resource.pool.statistics()), *((PoolKind.LOOP, one) for one in loops))


def contents_of(resource: Resource) -> tuple[tuple[PoolKind, PooledConnection], ...]:
    """The connections of each pool of a resource, those for threads first. Does not block, except as `figures_of`."""
    loops = resource.async_pools.contents() if resource.async_pools is not None else ()
    threads = ((PoolKind.THREADS, one) for one in resource.pool.contents())
    return (*threads, *((PoolKind.LOOP, one) for one in loops))


def longest_lent(
    contents: Iterable[tuple[PoolKind, PooledConnection]],
) -> tuple[tuple[PoolKind, PooledConnection], ...]:
    """The lent ones, the one that is lent the longest first; last those of which nobody knows yet for how long."""
    lent = [(kind, one) for kind, one in contents if one.in_use]
    return tuple(sorted(lent, key=lambda pair: -1.0 if pair[1].lent_for is None else pair[1].lent_for, reverse=True))


def together(figures: Iterable[PoolStatistics]) -> PoolStatistics:
    """Several pools' figures as those of one: sums, of the limits as well, for that many the other side may see.

    `per_identity` counts in each pool by itself and stays as it is; suspended are all of them or none.
    """
    all_of_them = tuple(figures)

    def total(name: str) -> int:
        return sum(getattr(one, name) for one in all_of_them)

    return PoolStatistics(
        max_size=total("max_size"),
        size=total("size"),
        free=total("free"),
        in_use=total("in_use"),
        changing=total("changing"),
        waiting=total("waiting"),
        created=total("created"),
        destroyed=total("destroyed"),
        replaced=total("replaced"),
        broken=total("broken"),
        abandoned=total("abandoned"),
        failed_logins=total("failed_logins"),
        waits=total("waits"),
        wait_seconds_total=float(sum(one.wait_seconds_total for one in all_of_them)),
        timeouts=total("timeouts"),
        min_size=total("min_size"),
        per_identity=next((one.per_identity for one in all_of_them), None),
        suspended=any(one.suspended for one in all_of_them),
        reauthenticated=total("reauthenticated"),
        validated=total("validated"),
        invalid=total("invalid"),
        spared_logins=total("spared_logins"),
        overstayed=total("overstayed"),
        leaks=total("leaks"),
        by_identity=_added(one.by_identity for one in all_of_them),
        used_by_identity=_added(one.used_by_identity for one in all_of_them),
        destroyed_for=_added(one.destroyed_for for one in all_of_them),
        opening=_summed(one.opening for one in all_of_them),
        use=_summed(one.use for one in all_of_them),
    )


def measured(resource: Resource) -> Iterator[Measurement]:
    """A resource's measurements: of each kind of pool that it has, told apart by the attribute `KIND`.

    The loops are summed up: which loop it is has no name that a metric could keep. What a loop has counted ends with
    it, as with the restart of a process.
    """
    figures = figures_of(resource)
    for kind in PoolKind:
        of_kind = [one for other, one in figures if other is kind]
        if of_kind:
            for one in measurements_of(together(of_kind), resource.name):
                yield replace(one, attributes=MappingProxyType({**one.attributes, KIND: kind.value}))


def _added(mappings: Iterable[Mapping[str, int]]) -> Mapping[str, int]:
    counter: Counter[str] = Counter()
    for one in mappings:
        counter.update(one)
    return MappingProxyType(dict(counter))


def _summed(durations: Iterable[Durations | None]) -> Durations:
    known = [one for one in durations if one is not None]
    return Durations(sum(one.count for one in known), float(sum(one.seconds for one in known)))
