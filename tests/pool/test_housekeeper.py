"""The thread that looks after pools: when they are due, whatever they raise (POOL-2)."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from support_pool import FakeClock, PoolBench, until

from connector.pool.housekeeper import LONGEST_SLEEP, SHORTEST_SLEEP, Housekeeper
from connector.security.scope import CURRENT_SCOPE
from connector.spi import SystemClock


class LookedAt:
    """Counts its upkeeps; each does something and asks for a pause."""

    def __init__(self, pause: float, does: Callable[[], object] = lambda: None) -> None:
        self.pause = pause
        self.does = does
        self.looks = 0

    def upkeep(self) -> float:
        self.looks += 1
        self.does()
        return self.pause


def test_each_is_looked_after_when_it_is_due() -> None:
    clock = FakeClock()
    housekeeper, often, seldom = Housekeeper("h", clock), LookedAt(1.0), LookedAt(5.0)
    housekeeper.add([often, seldom])
    assert housekeeper.run_due() == 1.0
    for _ in range(5):
        clock.now += 1.0
        housekeeper.run_due()
    assert (often.looks, seldom.looks) == (6, 2)


def test_one_that_is_due_at_once_again_and_again_is_not_looked_after_without_a_pause() -> None:
    housekeeper, hasty = Housekeeper("h", FakeClock()), LookedAt(0.0)
    housekeeper.add([hasty])
    assert housekeeper.run_due() == SHORTEST_SLEEP
    housekeeper.run_due()
    assert hasty.looks == 1


def test_without_any_it_sleeps_for_long_but_not_for_ever() -> None:
    housekeeper = Housekeeper("h", FakeClock())
    assert housekeeper.run_due() == LONGEST_SLEEP
    housekeeper.add([LookedAt(1e9)])
    assert housekeeper.run_due() == LONGEST_SLEEP


@pytest.mark.parametrize("error", [RuntimeError("x"), SystemExit(1), KeyboardInterrupt()])
def test_one_that_raises_anything_is_tried_again_later_and_the_others_go_on(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FakeClock()

    def fail() -> None:
        raise error

    bad, good = LookedAt(1.0, fail), LookedAt(1.0)
    housekeeper = Housekeeper("h", clock)
    housekeeper.add([bad, good])
    housekeeper.run_due()
    clock.now += LONGEST_SLEEP
    housekeeper.run_due()
    assert (bad.looks, good.looks) == (2, 2)
    assert type(error).__name__ in caplog.text


def test_its_thread_runs_under_no_identity_and_ends_when_it_is_closed() -> None:
    seen: list[object] = []
    looked_at = LookedAt(1e9, lambda: seen.append((CURRENT_SCOPE.get(), threading.current_thread().name)))
    housekeeper = Housekeeper("the housekeeper", SystemClock())
    housekeeper.start()
    housekeeper.add([looked_at])
    until(lambda: looked_at.looks)
    housekeeper.close()
    housekeeper.close()
    assert seen == [(None, "the housekeeper")]
    until(lambda: not any(thread.name == "the housekeeper" for thread in threading.enumerate()))


def test_closed_in_the_middle_it_begins_with_no_further_one() -> None:
    housekeeper = Housekeeper("h", FakeClock())
    first, second = LookedAt(1.0, housekeeper.close), LookedAt(1.0)
    housekeeper.add([first, second])
    housekeeper.run_due()
    assert (first.looks, second.looks) == (1, 0)


def test_a_pool_tells_when_it_is_due() -> None:
    bench = PoolBench(aged_timeout=20.0, aged_jitter=0.0, reap_time=60.0)
    housekeeper = Housekeeper("h", bench.clock)
    bench.pool.take(bench.alice).close()
    housekeeper.add([bench.pool])
    assert housekeeper.run_due() == 20.0
    bench.clock.now += 20.0
    assert housekeeper.run_due() == 60.0
    assert bench.factory.made[0].destroyed == 1
