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
    "{max_size} in use ({holders}), {changing} being opened or closed, {waiting} waiting",
    "{advice}",
)

_OWN_THREAD = "This thread holds all of them itself and waits for its own: close one before asking for another."
_GENERAL = "Close connections sooner, or raise the pool's max_size or connection_timeout."


def timed_out(resource: str, state: PoolState[Any], plan: SignOnPlan, thread: int, timeout: float) -> PoolTimeout:
    """The error for one waiter; to be made under the pool's lock, so that its counts belong together.

    Args:
        resource: The resource's global name.
        state: The pool's state, the waiter still in its queue.
        plan: What was waited for.
        thread: Who waited.
        timeout: How long, in seconds.
    """
    lent = [(entry, entry.plan) for entry in state.entries if entry.plan is not None]
    holders = Counter(held.effective_user or "the default user" for _, held in lent)
    starves_itself = bool(lent) and len(lent) == state.max_size and all(entry.thread == thread for entry, _ in lent)
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
        advice=_OWN_THREAD if starves_itself else _GENERAL,
    )
