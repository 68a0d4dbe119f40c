"""What hypothesis draws, and how one example is carried out from the first lease to the closed pool."""

from __future__ import annotations

from dataclasses import dataclass

import hypothesis.strategies as st

from connector.pool import PoolSettings
from connector.pool.settings import LeakTrace, PurgePolicy, RetirePolicy, Validation
from connector.spi import Capability
from soak.stage import Setting
from soak.steps import BORROWING, OPERATING, steps_of

#: Steps of one borrower, and of the operator, in one act.
BORROWERS_STEPS, OPERATORS_STEPS, MOODS = 64, 24, 64


@dataclass(frozen=True)
class Act:
    """What all do at the same time, before they come to rest: the borrowers of each pool, and the operator."""

    borrowers: tuple[tuple[bytes, ...], ...]
    operator: bytes

    def __str__(self) -> str:
        lines = [
            f"  pool {at}: " + ", ".join(map(str, steps_of(program, BORROWING)))
            for at, programs in enumerate(self.borrowers)
            for program in programs
        ]
        return "\n".join([*lines, "  operator: " + ", ".join(map(str, steps_of(self.operator, OPERATING)))])


@dataclass(frozen=True)
class Example:
    """One pool, or two of one kind, through some acts to an end.

    Attributes:
        settings: What each pool is like.
        acts: What happens.
        aborted: Whether the loop ends under the pool, instead of the pool being closed first; for tasks.
    """

    settings: tuple[Setting, ...]
    acts: tuple[Act, ...]
    aborted: bool

    def __str__(self) -> str:
        acts = "\n".join(f"act {number}\n{act}" for number, act in enumerate(self.acts))
        return "\n".join([*map(str, self.settings), acts, "and the loop ends" if self.aborted else "and it is closed"])


@st.composite
def pool_settings(draw: st.DrawFn) -> PoolSettings:
    max_size = draw(st.integers(1, 6))
    return PoolSettings(
        max_size,
        min_size=draw(st.integers(0, min(max_size, 2))),
        per_identity=draw(st.sampled_from([None, None, 1, 2])),
        aged_timeout=draw(st.sampled_from([None, 3.0])),
        unused_timeout=draw(st.sampled_from([None, 1.0])),
        background_validation=1.0,
        validation=draw(st.sampled_from([frozenset(), frozenset(Validation), *map(_one, Validation)])),
        validation_bypass=draw(st.sampled_from([0.5, 0.0])),
        purge_policy=draw(st.sampled_from(PurgePolicy)),
        retire_policy=draw(st.sampled_from(RetirePolicy)),
        login_backoff=draw(st.sampled_from([0.0, 0.05, 1.0])),
        leak_timeout=draw(st.sampled_from([None, 1.0])),
        leak_trace=draw(st.sampled_from(LeakTrace)),
        auto_close=draw(st.booleans()),
    )


def _one(validation: Validation) -> frozenset[Validation]:
    return frozenset({validation})


@st.composite
def pool_setting(draw: st.DrawFn) -> Setting:
    optional = (Capability.IDENTITY_SWITCH, Capability.VALIDATION, Capability.REAUTHENTICATION, Capability.MATCHING)
    return Setting(
        settings=draw(pool_settings()),
        callers=draw(st.integers(1, 5)),
        capabilities=frozenset({Capability.ASYNC, *(one for one in optional if draw(st.booleans()))}),
        tick=draw(st.sampled_from([0.0, 0.0001, 0.003])),
        climate=draw(st.sampled_from(["calm", "mixed", "rough"])),
        moods=draw(st.binary(min_size=MOODS, max_size=MOODS)),
    )


@st.composite
def examples(draw: st.DrawFn, pools: st.SearchStrategy[int], most: int) -> Example:
    """An example of so many pools, each with up to `most` borrowers."""
    number = draw(pools)
    program = st.binary(min_size=BORROWERS_STEPS, max_size=BORROWERS_STEPS)
    crew = st.integers(0, most).flatmap(lambda size: st.tuples(*[program] * size))
    # Without any the operator has the free connections to itself.
    act = st.builds(Act, st.tuples(*[crew] * number), st.binary(min_size=OPERATORS_STEPS, max_size=OPERATORS_STEPS))
    return Example(
        settings=draw(st.tuples(*[pool_setting()] * number)),
        acts=tuple(draw(st.lists(act, min_size=1, max_size=5))),
        aborted=draw(st.booleans()),
    )


def on_threads() -> st.SearchStrategy[Example]:
    return examples(st.just(1), 4)


def on_loops() -> st.SearchStrategy[Example]:
    return examples(st.integers(1, 2), 6)
