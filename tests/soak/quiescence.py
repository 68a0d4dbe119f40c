"""What has to hold when all have come to rest, and when the pool is closed."""

from __future__ import annotations

from typing import Any

from connector.pool.entry import Check
from soak.stage import AnyStage


def check_at_rest(stage: AnyStage) -> None:
    """All borrowers have ended: nothing is lent, waited for, opened or closed, and no place is lost."""
    pool, ledger = stage.pool, stage.ledger
    state, now, contents = pool._state, pool.statistics(), pool.contents()
    living = {id(wire.connection): wire for wire in ledger.made if not wire.closings}
    _expect(
        stage,
        {
            "nothing is lent": now.in_use == 0 and not any(line.in_use for line in contents),
            "nobody waits": now.waiting == 0 == state.queue.signalled,
            "nothing is being opened or closed": now.changing == 0,
            "permits are created less destroyed": state.permits == now.created - now.destroyed == now.size == now.free,
            "what the pool has is what lives": now.size == ledger.living == len(living) == len(contents),
            "what was created was opened": now.created == len(ledger.made),
            "each destroyed one has a reason": now.destroyed == sum(now.destroyed_for.values()),
            "each belongs to somebody": now.size == sum(now.by_identity.values()) and not now.used_by_identity,
            "the pool is not too large": now.size <= now.max_size,
            "the shares are those of the living": state.permits
            == sum(p.live for p in state.shares.partitions.values()),
            "no lease is counted": not state.shares._at_work,
            "no login is under way": not any(known.probing for known in state.refusals._by_key.values()),
            "a free one is as it was signed on": all(_is_itself(entry, living) for entry in state.entries),
        },
    )
    ledger.ceiling = now.max_size
    ledger.may_end = False


def told(stage: AnyStage) -> str:
    """All that is known of a pool that hangs."""
    state, now = stage.pool._state, stage.clock.monotonic()
    waiters = [
        f"{waiter.plan.effective_user}, version {waiter.plan.version}, waits; signalled: {waiter.signalled}, granted: "
        f"{waiter.grant}, would get {state._way(waiter.plan, waiter.owner, now)}, refused: "
        f"{state.refusals.blocks(waiter.plan, now)}"
        for waiter in state.queue.members
    ]
    return "\n".join([str(stage.pool.statistics()), *waiters, f"signalled: {state.queue.signalled}",
                      f"wanted: {state.wanted}", *map(str, stage.pool.contents())])  # fmt: skip


def check_closed(stage: AnyStage) -> None:
    """The pool is closed: each connection was closed exactly once, and nothing is left."""
    ledger, state = stage.ledger, stage.pool._state
    _expect(
        stage,
        {
            "nothing lives": ledger.living == 0,
            "each was closed once": all(wire.closings == 1 for wire in ledger.made),
            "nothing is left": not state.entries and not state.shares.free_count() and not state.queue.members,
            "all was counted": state.counts.created == state.counts.destroyed == len(ledger.made),
        },
    )


def _is_itself(entry: Any, living: dict[int, Any]) -> bool:
    wire = living.get(id(entry.physical))
    return (
        wire is not None
        and wire.user == wire.acting == entry.user
        and entry in entry.partition.free
        and entry.doomed is None
        and entry.check is not Check.REAUTHENTICATE
    )


def _expect(stage: AnyStage, facts: dict[str, bool]) -> None:
    for fact, holds in facts.items():
        if not holds:
            stage.ledger.object(f"not so: {fact}; {stage.pool.statistics()}")
