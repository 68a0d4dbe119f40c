"""Adapters that choose among free connections (Capability.MATCHING)."""

from __future__ import annotations

from typing import Any

import pytest
from support_either_pool import Make

from connector.errors import PoolTimeout
from connector.spi import Capability

MATCHING = frozenset({Capability.MATCHING})


def test_the_adapters_choice_is_lent(either: Make) -> None:
    bench = either(max_size=3, capabilities=MATCHING)
    bench.use(bench.alice, bench.alice, bench.bob)
    offered: list[int] = []

    def first(candidates: tuple[Any, ...]) -> Any:
        offered.append(len(candidates))
        return candidates[0]

    bench.factory.on_match = first
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[0]
    assert offered == [2]  # of her partition only


def test_where_there_is_none_the_adapter_is_not_asked(either: Make) -> None:
    bench = either(capabilities=MATCHING)
    bench.factory.on_match = lambda candidates: pytest.fail("asked to choose of none")
    bench.use(bench.alice)


@pytest.mark.parametrize("foreign", [False, True])
def test_an_adapter_that_chooses_none_leaves_it_to_the_pool(either: Make, foreign: bool) -> None:
    bench = either(capabilities=MATCHING)
    bench.use(bench.alice)
    bench.factory.on_match = lambda candidates: object() if foreign else None
    with bench.take(bench.alice) as loan:
        assert loan.user == "alice"
    assert bench.settled()


def test_what_the_adapter_raises_reaches_the_borrower_and_takes_nothing(either: Make) -> None:
    bench = either(max_size=1, capabilities=MATCHING)
    bench.use(bench.alice)
    bench.factory.on_match = lambda candidates: (_ for _ in ()).throw(RuntimeError("no"))
    with pytest.raises(RuntimeError, match="no"):
        bench.take(bench.alice)
    bench.factory.on_match = lambda candidates: candidates[0]
    bench.use(bench.alice)
    assert bench.settled()


def test_a_choice_that_somebody_else_has_taken_meanwhile_is_made_again(either: Make) -> None:
    bench = either(max_size=2, capabilities=MATCHING)
    bench.use(bench.alice, bench.alice)
    asked: list[int] = []

    def slow(candidates: tuple[Any, ...]) -> Any:
        asked.append(len(candidates))
        if len(asked) == 1:
            bench.made[1].connection_error_occurred()
        return candidates[-1]

    bench.factory.on_match = slow
    with bench.take(bench.alice) as loan:
        assert loan.physical is bench.made[0]
    assert asked == [2, 1]
    assert bench.settled()


def test_a_suspended_pool_does_not_ask(either: Make) -> None:
    bench = either(capabilities=MATCHING)
    bench.use(bench.alice)

    def suspends(candidates: tuple[Any, ...]) -> Any:
        bench.pool.suspend()
        return candidates[0]

    bench.factory.on_match = suspends
    with pytest.raises(PoolTimeout):
        bench.take(bench.alice)
    assert bench.now.free == 1
