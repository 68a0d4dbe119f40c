"""One resource's pools as plain data: settings in force, figures, identities, connections; no secret (POOL-6). Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, fields
from enum import Enum
from typing import Any

from connector.container.pool_kinds import PoolKind
from connector.pool.settings import PoolSettings
from connector.pool.statistics import PooledConnection, PoolStatistics

#: What of the statistics is a setting.
_SIZES = ("max_size", "min_size", "per_identity")


def settings_in_force(settings: PoolSettings, figures: PoolStatistics) -> dict[str, Any]:
    """The settings that a pool goes by: as configured, what the adapter can't do left out, resized by operators.

    Args:
        settings: What it was made with.
        figures: Its figures, for the sizes.
    """
    plain = {field.name: _plain(getattr(settings, field.name)) for field in fields(settings)}
    return plain | {name: getattr(figures, name) for name in _SIZES}


def plain_figures(kind: PoolKind, figures: PoolStatistics) -> dict[str, Any]:
    """One pool's figures by our own names; of what is counted by something the counts by identity and by reason."""
    numbers = {field.name: getattr(figures, field.name) for field in fields(figures)}
    plain = {name: value for name, value in numbers.items() if isinstance(value, int | float) or value is None}
    by = {"by_identity": dict(figures.by_identity), "destroyed_for": dict(figures.destroyed_for)}
    return {"kind": kind.value, **plain, **by}


def identities(figures: Iterable[tuple[PoolKind, PoolStatistics]]) -> list[dict[str, Any]]:
    """Who has how many, by pool, the largest first: connections, how many of them are lent, and the share of the pool.

    A pool holds `max_size` connections, so there are no more lines than that.
    """
    return [
        {
            "kind": kind.value,
            "user": user,
            "connections": count,
            "in_use": one.used_by_identity.get(user, 0),
            "share": round(count / one.max_size, 3),
            "limit": one.per_identity,
        }
        for kind, one in figures
        for user, count in sorted(one.by_identity.items(), key=lambda item: (-item[1], item[0]))
    ]


def plain_connection(kind: PoolKind, connection: PooledConnection) -> dict[str, Any]:
    """One connection's line."""
    return {"kind": kind.value, **asdict(connection), "obtained": list(connection.obtained)}


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    return sorted(mode.value for mode in value) if isinstance(value, frozenset) else value
