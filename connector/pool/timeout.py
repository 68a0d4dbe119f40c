"""The message of a wait in vain: who holds what, and what to do about it. Pure."""

from __future__ import annotations

from collections import Counter
from typing import Any

from connector.errors import PoolTimeout, Reason
from connector.pool.state import PoolState
from connector.spi import SignOnPlan

TIMED_OUT = Reason(
    "CF-POOL-003",
    "no connection to {resource} came free for {user} (reference {reference}) within {timeout:g} s: {in_use} of "
    "{max_size} in use ({holders}), {changing} being opened or closed, {waiting} waiting{limits}",
    "{advice}",
)

_OWN = "This thread or task holds all of them itself and waits for its own: close one before asking for another."
_SUSPENDED = "The pool is suspended by an operator: `connector pool resume` lends again."
_SHARE = "This identity has its share: close connections sooner, or raise the pool's per_identity."
_GENERAL = "Close connections sooner, or raise the pool's max_size or connection_timeout."


def timed_out(resource: str, state: PoolState[Any], plan: SignOnPlan, owner: int, timeout: float) -> PoolTimeout:
    """The error for one waiter; to be made under the pool's lock, so that its counts belong together.

    Args:
        resource: The resource's global name.
        state: The pool's state, the waiter still in its queue.
        plan: What was waited for.
        owner: The thread or task that waited.
        timeout: How long, in seconds.
    """
    lent = [(entry, entry.plan) for entry in state.entries if entry.plan is not None]
    holders = Counter(held.effective_user or "the default user" for _, held in lent)
    mine = [entry for entry, _ in lent if entry.owner == owner]
    own_share = len([entry for entry in mine if entry.partition.key == plan.partition])
    shares = state.shares
    has_its_share = not (shares.may_lend(plan) and shares.may_open(plan))
    if state.suspended:
        advice = _SUSPENDED
    elif lent and (len(mine) == state.max_size or (has_its_share and own_share == shares.per_identity)):
        advice = _OWN
    else:
        advice = _SHARE if has_its_share else _GENERAL
    return PoolTimeout(
        TIMED_OUT,
        resource=resource,
        user=plan.effective_user or "the default user",
        reference=plan.reference,
        timeout=timeout,
        in_use=len(lent),
        max_size=state.max_size,
        holders=", ".join(f"{user}: {count}" for user, count in sorted(holders.items())) or "by nobody",
        changing=state.permits - len(state.entries),
        waiting=len(state.queue.members),
        limits="" if shares.per_identity is None else f", at most {shares.per_identity} of one identity",
        advice=advice,
    )
