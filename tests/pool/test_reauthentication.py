"""Signing a connection on anew in place, instead of closing one and opening another (POOL-5)."""

from __future__ import annotations

import asyncio

import pytest
from support_async_pool import AsyncBench, Gate, cancel, run, until
from support_either_pool import ALL, Make, refused
from support_pool import PoolBench

from connector.errors import LoginRefused
from connector.pool.settings import PurgePolicy
from connector.spi import Capability

REAUTH = ALL | {Capability.REAUTHENTICATION}


def test_in_a_full_pool_a_free_foreign_one_is_moved(either: Make) -> None:
    bench = either(max_size=1, capabilities=REAUTH)
    bench.use(bench.bob)
    with bench.take(bench.alice) as loan:
        assert (loan.physical, loan.user) == (bench.made[0], "alice")
        (line,) = bench.pool.contents()
        assert (line.user, line.alias) == ("alice", "alice-alias")
    bench.use(bench.alice)
    assert (len(bench.made), bench.now.reauthenticated, bench.now.replaced) == (1, 1, 1)
    assert bench.settled()


def test_while_there_is_room_nothing_is_moved(either: Make) -> None:
    bench = either(max_size=2, capabilities=REAUTH)
    bench.use(bench.bob)
    bench.use(bench.alice)
    assert bench.lives == ["bob", "alice"]


@pytest.mark.parametrize("error", [refused(), RuntimeError("in doubt")])
def test_one_that_could_not_be_signed_on_anew_is_destroyed(either: Make, error: Exception) -> None:
    bench = either(max_size=1, capabilities=REAUTH)
    bench.use(bench.bob)
    bench.made[0].on_reauthenticate = lambda: (_ for _ in ()).throw(error)
    with pytest.raises(type(error)):
        bench.take(bench.alice)
    assert (bench.made[0].destroyed, bench.now.size) == (1, 0)
    bench.use(bench.bob)
    assert bench.settled()


def test_a_refusal_begins_the_back_off(either: Make) -> None:
    bench = either(max_size=1, capabilities=REAUTH)
    bench.use(bench.bob)
    bench.made[0].on_reauthenticate = lambda: (_ for _ in ()).throw(refused())
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    attempts = bench.refuse()
    with pytest.raises(LoginRefused):
        bench.take(bench.alice)
    assert attempts == []


def test_one_that_turns_out_to_be_dead_is_replaced_unnoticed(either: Make) -> None:
    bench = either(max_size=1, capabilities=REAUTH)
    bench.use(bench.bob)
    bench.made[0].on_reauthenticate = bench.made[0].connection_error_occurred  # reported, not raised
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[1]
    assert bench.made[0].destroyed == 1
    assert bench.settled()


def test_a_suspect_is_replaced_not_moved(either: Make) -> None:
    bench = either(max_size=2, capabilities=REAUTH, purge_policy=PurgePolicy.VALIDATE_ALL)
    bench.use(bench.bob, bench.bob)
    bench.breaks(bench.made[0])
    bench.use(bench.factory.plan("carol"))
    bench.use(bench.alice)
    assert bench.now.reauthenticated == 0
    assert bench.settled()


def test_a_superseded_one_is_signed_on_with_its_successor_in_place(either: Make) -> None:
    bench = either(max_size=1, capabilities=REAUTH)
    bench.use(bench.alice)
    bench.use(bench.factory.plan("alice", version=2))
    (line,) = bench.pool.contents()
    assert (line.version, len(bench.made)) == (2, 1)


def test_a_newer_credential_refused_in_place_leaves_the_others_to_serve(either: Make) -> None:
    bench = either(max_size=2, capabilities=REAUTH)
    bench.use(bench.alice, bench.alice)
    for made in bench.made:
        made.on_reauthenticate = lambda: (_ for _ in ()).throw(refused())
    with bench.take(bench.factory.plan("alice", version=2)) as loan:
        assert loan.physical in bench.made
    assert len(bench.lives) == 1
    assert bench.settled()


def test_an_interruption_destroys_it_and_loses_no_place() -> None:
    bench = PoolBench(max_size=1, capabilities=REAUTH)
    bench.pool.take(bench.bob).close()
    bench.factory.made[0].on_reauthenticate = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        bench.pool.take(bench.alice)
    assert bench.factory.made[0].destroyed == 1
    bench.pool.take(bench.alice, timeout=0).close()
    assert bench.settled()


def test_cancelled_meanwhile_it_is_destroyed_and_the_probe_is_not_lost() -> None:
    async def scene() -> None:
        bench = AsyncBench(max_size=1, capabilities=REAUTH)
        await (await bench.pool.take(bench.bob)).close()
        bench.pool._state.refusals.refused(bench.alice, refused(), 0.0)
        bench.clock.now = 1.0
        gate = Gate()
        bench.first.on_reauthenticate = gate
        borrower = asyncio.create_task(bench.pool.take(bench.alice))
        await gate.reached.wait()
        await cancel(borrower)
        await until(lambda: bench.first.destroyed == 1)
        await (await bench.pool.take(bench.alice)).close()
        assert bench.settled()

    run(scene())


def test_an_interruption_while_superseded_ones_are_closed_loses_no_place() -> None:
    bench = PoolBench(max_size=3)
    bench.pool.take(bench.alice).close()
    bench.pool.retire("alice-alias", 2)
    bench.factory.made[0].on_destroy = lambda: (_ for _ in ()).throw(KeyboardInterrupt())
    newer = bench.factory.plan("alice", version=2)
    with pytest.raises(KeyboardInterrupt):
        bench.pool.take(newer)
    assert bench.pool.statistics().in_use == 0
    assert bench.factory.made[1].destroyed == 1
    bench.pool.take(newer, timeout=0).close()
    assert bench.settled()
