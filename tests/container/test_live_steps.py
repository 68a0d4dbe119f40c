"""Steps of a change: all of them, or none (CONF-8)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connector.container.live.steps import Done, Step


class Refused(Exception):
    """A step that fails."""


def step(name: int, state: list[int], *, fails: bool = False, undo_fails: bool = False) -> Step:
    """Puts its number into the state, or fails."""

    def do() -> None:
        if fails:
            raise Refused
        state.append(name)

    def undo() -> None:
        assert state.pop() == name, "not in reverse order"
        if undo_fails:
            raise Refused

    return Step(str(name), do, undo)


@given(st.integers(1, 6), st.integers(0, 8), st.sets(st.integers(0, 5)))
def test_a_step_that_fails_leaves_nothing_of_those_before_it(count: int, failing: int, stubborn: set[int]) -> None:
    state: list[int] = []
    steps = [step(n, state, fails=n == failing, undo_fails=n in stubborn) for n in range(count)]
    done = Done()
    if failing < count:
        with pytest.raises(Refused):
            done.make(steps)
        assert state == []
    else:
        done.make(steps)
        assert state == list(range(count))
        done.undo()
        assert state == []
        done.undo()  # twice is harmless
