"""What is ready on a queue is taken by priority, then by age, whatever was taken from the middle or came back."""

from __future__ import annotations

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from connector_bus.engine.queue_state import Entry
from connector_bus.engine.ready_order import TIDY_FROM, ReadyOrder

PHASES = tuple(phase for phase in Phase if phase is not Phase.explain)


class OrderMachine(RuleBasedStateMachine):
    """The order beside a plain list that is sorted whenever it is asked."""

    @initialize()
    def begin(self) -> None:
        self.order = ReadyOrder()
        self.ready: list[Entry] = []
        self.taken: list[Entry] = []
        self.number = 0

    @rule(priorities=st.lists(st.integers(0, 9) | st.just(4), min_size=1, max_size=20))
    def arrive(self, priorities: list[int]) -> None:
        for priority in priorities:
            self.number += 1
            entry = Entry(self.number, priority)
            self.order.add(entry)
            self.ready.append(entry)

    @precondition(lambda self: self.taken)
    @rule(data=st.data())
    def go_back(self, data: st.DataObject) -> None:
        entry = self.taken.pop(data.draw(st.integers(0, len(self.taken) - 1)))
        self.order.add(entry)
        self.ready.append(entry)

    @rule()
    def take_first(self) -> None:
        first = min(self.ready, default=None)
        assert self.order.take_first() is first
        if first is not None:
            self.ready.remove(first)
            self.taken.append(first)

    @precondition(lambda self: self.ready)
    @rule(data=st.data())
    def take_from_the_middle(self, data: st.DataObject) -> None:
        entry = self.ready.pop(data.draw(st.integers(0, len(self.ready) - 1)))
        self.order.take(entry)
        self.taken.append(entry)

    @rule()
    def forget_all(self) -> None:
        self.order.clear()
        self.ready.clear()
        self.taken.clear()

    @invariant()
    def both_know_the_same(self) -> None:
        assert self.order.count == len(self.ready)
        assert sorted(self.order.ready()) == sorted(self.ready)
        assert all(entry.ready for entry in self.ready)
        assert not any(entry.ready for entry in self.taken)


TestOrder = pytest.mark.filterwarnings("error")(OrderMachine.TestCase)
TestOrder.settings = settings(max_examples=60, stateful_step_count=60, deadline=None, phases=PHASES)


def test_what_is_taken_from_behind_does_not_pile_up() -> None:
    order = ReadyOrder()
    order.add(Entry(0, 4))
    for number in range(1, 1000):
        entry = Entry(number, 4)
        order.add(entry)
        order.take(entry)
    assert len(order) <= TIDY_FROM + 4
    first = order.take_first()
    assert first is not None
    assert first.sequence == 0
    assert order.take_first() is None
