"""What `connector status` says of a container, as plain data for programs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from connector.container.refused_logins import as_data, still_wrong

if TYPE_CHECKING:
    from connector.container.parts import Parts
    from connector.container.resources import Resource
    from connector.work.statistics import WorkStatistics


def status(parts: Parts) -> dict[str, Any]:
    """The container's state as plain data."""
    core = parts.configuration.container
    return {
        "name": core.name,
        "security": core.security,
        "state": str(parts.state.folder),
        "auth_data": {
            "store": parts.configuration.auth_data.store,
            "aliases": len(parts.auth_data.snapshot()),
            "generation": parts.auth_data.generation,
            "error": parts.auth_data.failure or None,
        },
        "adapters": sorted(parts.adapters),
        "resources": {
            name: {
                "adapter": resource.adapter,
                "pool": _pool(resource.pool.statistics()),
                **_async_pools(resource),
                **_refused(parts, resource),
            }
            for name, resource in parts.resources.items()
        },
        "works": {one.adapter or "the container": _works(one) for one in parts.work_manager.statistics()},
        "applications": {name: list(one.references) for name, one in parts.applications.items()},
        "activations": [
            {**deployed.activation.report().to_dict(), "deliveries": deployed.factory.statistics().to_dict()}
            for deployed in parts.activations
        ],
    }


def _works(statistics: WorkStatistics) -> dict[str, int]:
    """How many works of an adapter run, wait and were run (FLOW-1)."""
    return {name: value for name, value in asdict(statistics).items() if name != "adapter"}


def _async_pools(resource: Resource) -> dict[str, Any]:
    """The pools for asyncio, one for each event loop; left out where none was ever asked for."""
    pools = resource.async_pools.statistics() if resource.async_pools is not None else ()
    return {"async_pools": [_pool(statistics) for statistics in pools]} if pools else {}


def _refused(parts: Parts, resource: Resource) -> dict[str, Any]:
    """The credentials in force that its external system refuses; left out where there are none."""
    wrong = still_wrong(resource.refused_logins(), parts.auth_data.snapshot())
    return {"refused_logins": [as_data(refused) for refused in wrong]} if wrong else {}


def _pool(statistics: Any) -> dict[str, int]:
    return {name: getattr(statistics, name) for name in ("size", "free", "in_use", "waiting", "created", "destroyed")}
