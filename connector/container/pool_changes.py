"""Changes to all pools of a resource at once, that for threads and those of asyncio loops: flush, resize (POOL-6)."""

from __future__ import annotations

from typing import Final

from connector.container.pool_reports import FlushOutcome, ResizeOutcome
from connector.container.resources import Resource
from connector.errors import ConfigError, Reason
from connector.pool.flushing import FlushChoice, FlushMode, FlushReport
from connector.pool.settings import check_sizes
from connector.spi import Capability

SIZES_DONT_FIT = Reason(
    "CF-CTR-041",
    "the pool of {resource} can't get these sizes: {why}.",
    "Give sizes that fit together; what is not given stays as it is.",
)
CANT_VALIDATE = Reason(
    "CF-CTR-036",
    "the adapter {adapter!r} of {resource} can't tell whether a connection is still good.",
    "Use another mode: `idle` closes all free connections, `gracefully` lent ones as well when they come back.",
)
NOTHING_IS_ASKED = Reason(
    "CF-CTR-037",
    "the pool of {resource} is suspended, and no connection is validated meanwhile.",
    "Use the mode `gracefully` or `idle`, or resume first.",
)

#: Leaves the limit of each identity as it is.
UNCHANGED: Final = -1


def check_mode(resource: Resource, mode: FlushMode) -> None:
    """Raise ConfigError (CF-CTR-036, -037) where nothing could be validated: that must not look like "all are good"."""
    if mode is not FlushMode.INVALID:
        return
    if Capability.VALIDATION not in resource.target.capabilities:
        raise ConfigError(CANT_VALIDATE, adapter=resource.adapter, resource=resource.name)
    if resource.pool.statistics().suspended:
        raise ConfigError(NOTHING_IS_ASKED, resource=resource.name)


def flush(resource: Resource, mode: FlushMode, chosen: FlushChoice, *, dry_run: bool) -> FlushOutcome:
    """Flush all pools; see `OperatedPool.flush`. Blocks for closing and validating the threads' connections."""
    report = resource.pool.flush(mode, chosen, dry_run=dry_run)
    loops, asked = resource.async_pools, 0
    if loops is not None:
        # A loop finds out later which of its free connections are good: here they count as neither.
        if mode is FlushMode.INVALID and not dry_run:
            asked = loops.flush(FlushMode.IDLE, chosen, dry_run=True).closed
        report += loops.flush(mode, chosen, dry_run=dry_run) + FlushReport(kept=-asked)
    return FlushOutcome(resource.name, mode.value, dry_run, **report.to_dict(), asked=asked)


def resize(resource: Resource, max_size: int | None, min_size: int | None, per_identity: int | None) -> ResizeOutcome:
    """Resize all pools, to the same sizes, or none of them; see `OperatedPool.resize`. Blocks for closing free
    connections. Raises ConfigError (CF-CTR-041).
    """
    with resource.operating:
        before = resource.pool.statistics()
        sizes = (
            before.max_size if max_size is None else max_size,
            before.min_size if min_size is None else min_size,
            before.per_identity if per_identity == UNCHANGED else per_identity,
        )
        try:
            check_sizes(*sizes)
        except ValueError as error:
            raise ConfigError(SIZES_DONT_FIT, resource=resource.name, why=str(error)) from None
        done = [pool.resize(*sizes) for pool in resource.pools]
    closed, on_return = sum(one for one, _ in done), sum(one for _, one in done)
    return ResizeOutcome(resource.name, *sizes, closed=closed, on_return=on_return)
