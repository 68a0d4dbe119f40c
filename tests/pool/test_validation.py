"""Asking connections whether they are still good: on checkout, on return, in the background (POOL-2, POOL-4)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support_async_pool import AsyncBench, Gate, cancel, run
from support_async_pool import until as on_the_loop
from support_either_pool import ALL, Make
from support_pool import PoolBench

from connector.pool import PoolSettings
from connector.pool.flushing import FlushMode, FlushReport
from connector.pool.settings import PurgePolicy, Validation
from connector.spi import Capability

CHECKOUT = frozenset({Validation.ON_CHECKOUT})
RETURN = frozenset({Validation.ON_RETURN})
BACKGROUND = frozenset({Validation.BACKGROUND})


def fail() -> bool:
    raise RuntimeError("an adapter may raise anything")


@pytest.mark.parametrize("answer", [lambda: False, fail])
def test_a_dead_connection_is_replaced_on_checkout(either: Make, answer: Callable[[], bool]) -> None:
    bench = either(validation=CHECKOUT)
    bench.use(bench.alice)
    bench.made[0].on_validate = answer
    bench.clock.now += 1.0
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[1]
    assert (bench.now.validated, bench.now.invalid, bench.made[0].destroyed) == (1, 1, 1)
    assert bench.settled()


def test_one_that_was_good_a_moment_ago_is_not_asked(either: Make) -> None:
    bench = either(validation=CHECKOUT, validation_bypass=0.5)
    bench.use(bench.alice)
    bench.clock.now += 0.4
    bench.use(bench.alice)
    assert bench.made[0].validated == 0
    bench.clock.now += 0.6
    bench.use(bench.alice)
    bench.clock.now += 0.6
    bench.use(bench.alice)
    assert bench.made[0].validated == 2


def test_a_system_that_always_says_no_costs_one_replacement_not_a_loop(either: Make) -> None:
    bench = either(validation=CHECKOUT, validation_bypass=0.0)

    def says_no(made: Any) -> None:
        assert len(bench.made) < 10, "a loop"
        made.on_validate = lambda: False

    bench.on_made(says_no)
    bench.use(bench.alice)
    bench.use(bench.alice)
    assert len(bench.made) == 2
    assert bench.settled()


def test_a_connection_signed_on_anew_is_validated_on_its_next_ways_out(either: Make) -> None:
    bench = either(max_size=1, validation=CHECKOUT, capabilities=ALL | {Capability.REAUTHENTICATION})
    bench.use(bench.bob)
    bench.use(bench.alice)  # in place; the system has answered just now
    assert bench.made[0].validated == 0
    bench.clock.now += 60.0
    bench.made[0].on_validate = lambda: False
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[1]
    assert bench.settled()


def test_a_dead_connection_is_not_taken_back(either: Make) -> None:
    bench = either(validation=RETURN)
    loan = bench.take(bench.alice)
    bench.made[0].on_validate = lambda: False
    loan.close()
    assert (bench.made[0].destroyed, bench.now.destroyed_for) == (1, {"failed validation": 1})
    assert bench.settled()


def test_unused_connections_are_asked_in_the_background(either: Make) -> None:
    bench = either(max_size=3, validation=BACKGROUND, background_validation=10.0)
    bench.use(bench.alice, bench.bob)
    bench.upkeep()
    bench.clock.now += 10.0
    bench.made[0].on_validate = lambda: False
    bench.upkeep()
    assert [made.validated for made in bench.made] == [1, 1]
    assert bench.lives == ["bob"]
    bench.clock.now += 5.0
    bench.upkeep()
    assert bench.made[1].validated == 1  # it was good half the time ago
    assert bench.settled()


def test_what_is_used_is_not_asked_in_the_background(either: Make) -> None:
    bench = either(validation=BACKGROUND, background_validation=10.0)
    for _ in range(4):
        bench.use(bench.alice)
        bench.upkeep()
        bench.clock.now += 6.0
    assert bench.made[0].validated == 0


def test_asked_in_the_background_a_connection_keeps_its_place_in_the_order_of_use(either: Make) -> None:
    bench = either(max_size=2, validation=BACKGROUND, background_validation=10.0)
    bench.use(bench.alice)
    bench.use(bench.bob)
    bench.upkeep()
    bench.clock.now += 10.0
    bench.upkeep()
    bench.use(bench.factory.plan("carol"))
    assert bench.lives == ["bob", "carol"]


INTERRUPTIONS: dict[str, Callable[[Any, Any], object]] = {
    "purged": lambda bench, _: bench.pool.purge(),
    "closed": lambda bench, _: bench.pool.begin_close() if hasattr(bench.pool, "begin_close") else bench.pool.close(),
    "retired": lambda bench, _: bench.pool.retire("alice-alias", 2, final=True),
    "shrunk": lambda bench, _: bench.pool.resize(max_size=1),
    "broken": lambda _, asked: asked.connection_error_occurred(),
}


@pytest.mark.parametrize("how", INTERRUPTIONS)
@pytest.mark.parametrize("good", [True, False])
def test_one_that_has_to_go_while_it_is_asked_is_closed_once_whatever_it_answers(
    either: Make, how: str, good: bool
) -> None:
    bench = either(max_size=2, validation=BACKGROUND, background_validation=10.0)
    bob = bench.take(bench.bob)
    bench.use(bench.alice)
    asked = bench.made[-1]
    bench.upkeep()
    bench.clock.now += 10.0

    def interrupt() -> bool:
        INTERRUPTIONS[how](bench, asked)
        return good

    asked.on_validate = interrupt
    bench.upkeep()
    bob.close()
    now = bench.now
    assert (now.changing, now.in_use, now.size) == (0, 0, len(bench.lives))
    assert [made.destroyed for made in bench.made] in ([0, 1], [1, 0], [1, 1])


def test_a_borrower_that_came_while_it_was_asked_gets_it(either: Make) -> None:
    bench = either(max_size=1, validation=BACKGROUND, background_validation=10.0)
    bench.use(bench.alice)
    bench.upkeep()
    bench.clock.now += 10.0
    bench.upkeep()
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[0]
    assert bench.settled()


def test_an_interrupted_validation_loses_no_place() -> None:
    bench = PoolBench(max_size=1, capabilities=ALL)
    bench.pool.take(bench.alice).close()

    def interrupt() -> bool:
        raise KeyboardInterrupt

    bench.factory.made[0].on_validate = interrupt
    with pytest.raises(KeyboardInterrupt):
        bench.pool.flush(FlushMode.INVALID)
    assert bench.factory.made[0].destroyed == 1
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_cancelled_while_it_is_validated_a_connection_is_destroyed() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1, capabilities=ALL, validation=CHECKOUT)
        await (await bench.pool.take(bench.alice)).close()
        gate = Gate()
        bench.first.on_validate = gate
        bench.clock.now += 1.0
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await gate.reached.wait()
        await cancel(borrower)
        await on_the_loop(bench.settled)
        assert bench.first.destroyed == 1

    run(scene())


def test_cancelled_in_the_background_a_validation_loses_no_place() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1, capabilities=ALL)
        await (await bench.pool.take(bench.alice)).close()
        gate = Gate()
        bench.first.on_validate = gate
        bench.pool.flush(FlushMode.INVALID)
        await gate.reached.wait()
        for chore in list(bench.pool._chores._running):
            chore.cancel()
        await on_the_loop(lambda: bench.first.destroyed == 1)
        await on_the_loop(bench.settled)

    run(scene())


def test_an_adapter_that_cannot_validate_is_never_asked(either: Make) -> None:
    bench = either(
        capabilities=frozenset(),
        validation=CHECKOUT | RETURN | BACKGROUND,
        validation_bypass=0.0,
        purge_policy=PurgePolicy.VALIDATE_ALL,
    )
    one, two = bench.take(bench.alice), bench.take(bench.alice)
    one.close()
    two.close()
    bench.breaks(bench.made[0])
    bench.use(bench.alice)
    bench.clock.now += 1000.0
    bench.upkeep()
    assert [made.validated for made in bench.made] == [0, 0]
    assert bench.now.validated == 0


def test_flushing_the_invalid_says_what_it_found() -> None:
    bench = PoolBench(max_size=3, capabilities=ALL)
    held = bench.pool.take(bench.bob)
    for lease in [bench.pool.take(bench.alice) for _ in range(2)]:
        lease.close()
    bench.factory.made[1].on_validate = lambda: False
    assert bench.pool.flush(FlushMode.INVALID, dry_run=True) == FlushReport(kept=3)
    assert bench.pool.flush(FlushMode.INVALID) == FlushReport(closed=1, kept=2)
    held.close()
    assert bench.settled()


def test_looks_come_as_often_as_the_background_validation_needs_them() -> None:
    assert PoolSettings(validation=BACKGROUND, background_validation=10.0).upkeep_interval == 5.0
    assert PoolSettings(background_validation=10.0).upkeep_interval == 180.0
