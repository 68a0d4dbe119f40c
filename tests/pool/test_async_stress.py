"""Many tasks, every step slow, broken or cancelled at random: nothing foreign, nothing lost, nobody forgotten."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress

from hypothesis import given, settings
from hypothesis import strategies as st
from support_async_pool import AsyncBench, FakeAsyncConnection, run, until

from connector.spi import SignOnPlan

TASKS, CONNECTIONS, ROUNDS = 12, 3, 8


class Trouble(Exception):
    """What the adapter raises now and then."""


class Weather:
    """Decides, from one seed, how long each step takes and whether it fails."""

    def __init__(self, seed: int, bad: float) -> None:
        self.chance = random.Random(seed)
        self.bad = bad

    async def step(self) -> None:
        for _ in range(self.chance.randrange(4)):
            await asyncio.sleep(0)
        if self.chance.random() < self.bad:
            raise Trouble

    def over(self, made: FakeAsyncConnection) -> None:
        made.on_cleanup = made.on_switch = made.on_destroy = self.step


async def borrower(bench: AsyncBench, weather: Weather, plans: dict[str, SignOnPlan], foreign: list[str]) -> None:
    chance = weather.chance
    for _ in range(ROUNDS):
        caller = chance.choice(sorted(plans))
        with suppress(Trouble):
            async with await bench.pool.take(plans[caller], timeout=20) as lease:
                physical = lease.physical
                for _ in range(chance.randrange(3)):
                    await asyncio.sleep(0)
                    found = (await physical.describe()).user
                    if found != caller:
                        foreign.append(f"{found} for {caller}")
                if chance.random() < 0.1:
                    physical.connection_error_occurred()
                elif chance.random() < 0.1:
                    await lease.invalidate()


async def storm(seed: int, bad: float, cancelled: float) -> None:
    bench, weather, foreign = AsyncBench(max_size=CONNECTIONS), Weather(seed, bad), list[str]()
    bench.factory.on_open, bench.factory.on_opened = weather.step, weather.over
    plans = {user: bench.factory.plan(user) for user in ("alice", "bob")}
    plans |= {caller: bench.factory.plan("system", asserted=caller) for caller in ("carol", "dave")}
    tasks = [asyncio.create_task(borrower(bench, weather, plans, foreign)) for _ in range(TASKS)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0)
        bench.clock.now += weather.chance.choice((0, 0.001, 0.01))
        if weather.chance.random() < cancelled:
            weather.chance.choice(tasks).cancel()
        if weather.chance.random() < 0.02:
            bench.pool.purge()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert {type(outcome) for outcome in outcomes} <= {type(None), asyncio.CancelledError}
    assert not foreign

    await until(lambda: bench.pool.statistics().changing == 0)
    now = bench.pool.statistics()
    assert (now.in_use, now.waiting) == (0, 0)
    assert now.size == now.created - now.destroyed <= CONNECTIONS
    # All places can still be had at once: none was lost on the way.
    weather.bad = 0
    leases = [await bench.pool.take(plans["alice"], timeout=0) for _ in range(CONNECTIONS)]
    for lease in leases:
        await lease.close()
    await bench.pool.close()
    assert bench.pool.statistics().size == bench.pool.statistics().changing == 0


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), bad=st.sampled_from([0, 0.1, 0.4]), cancelled=st.sampled_from([0, 0.05, 0.4]))
def test_in_any_weather_every_borrower_acts_as_itself_and_nothing_is_lost(
    seed: int, bad: float, cancelled: float
) -> None:
    run(storm(seed, bad, cancelled))
