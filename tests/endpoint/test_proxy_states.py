"""FLOW-8: the table of what an adapter may do with an endpoint, checked as a table."""

from __future__ import annotations

import pytest

from connector.endpoint.proxy_states import BRACKETED, BUSY, Misuse, ProxyState, Step, step, turn

IDLE, OPEN, DELIVERED, RELEASED = ProxyState.IDLE, ProxyState.OPEN, ProxyState.DELIVERED, ProxyState.RELEASED


def walk(*steps: Step) -> ProxyState | Misuse:
    """Call after call, each of which ends well; answers where that leads, or the first misuse."""
    state = IDLE
    for each in steps:
        following = step(state, each)
        if isinstance(following, Misuse):
            return following
        state = turn(following, done=True) if following in BUSY else following
    return state


@pytest.mark.parametrize(
    ("steps", "outcome"),
    [
        ([Step.DELIVER], IDLE),
        ([Step.DELIVER, Step.DELIVER], IDLE),
        ([Step.BEFORE, Step.DELIVER, Step.AFTER], IDLE),
        ([Step.BEFORE, Step.AFTER], IDLE),
        ([Step.BEFORE, Step.DELIVER, Step.AFTER, Step.BEFORE, Step.AFTER, Step.DELIVER], IDLE),
        ([Step.BEFORE], OPEN),
        ([Step.BEFORE, Step.DELIVER], DELIVERED),
        ([Step.BEFORE, Step.RELEASE], RELEASED),
        ([Step.BEFORE, Step.DELIVER, Step.RELEASE, Step.RELEASE], RELEASED),
        ([Step.AFTER], Misuse.OUT_OF_ORDER),
        ([Step.DELIVER, Step.AFTER], Misuse.OUT_OF_ORDER),
        ([Step.BEFORE, Step.BEFORE], Misuse.OUT_OF_ORDER),
        ([Step.BEFORE, Step.DELIVER, Step.BEFORE], Misuse.OUT_OF_ORDER),
        ([Step.BEFORE, Step.AFTER, Step.AFTER], Misuse.OUT_OF_ORDER),
        ([Step.BEFORE, Step.DELIVER, Step.DELIVER], Misuse.SECOND_DELIVERY),
        ([Step.RELEASE, Step.DELIVER], Misuse.RELEASED),
        ([Step.RELEASE, Step.BEFORE], Misuse.RELEASED),
        ([Step.BEFORE, Step.RELEASE, Step.AFTER], Misuse.RELEASED),
    ],
)
def test_calls_one_after_the_other_lead_where_the_table_says(steps: list[Step], outcome: ProxyState | Misuse) -> None:
    assert walk(*steps) is outcome


@pytest.mark.parametrize("state", [state for state in ProxyState if state in BUSY])
def test_while_a_call_is_under_way_every_other_one_is_misuse(state: ProxyState) -> None:
    assert {step(state, each) for each in Step} == {Misuse.CONCURRENT, Misuse.BUSY_RELEASE}


def test_a_failed_begin_leaves_nothing_open_and_a_failed_message_still_wants_its_end() -> None:
    assert turn(ProxyState.BEGINNING, done=False) is IDLE
    assert turn(ProxyState.HANDLING, done=False) is DELIVERED
    assert turn(ProxyState.ENDING, done=False) is IDLE


def test_every_call_in_every_state_has_an_answer_and_no_state_but_released_is_a_dead_end() -> None:
    for state in ProxyState:
        answers = [step(state, each) for each in Step]
        leads_on = [each for each in answers if isinstance(each, ProxyState) and each is not state]
        assert state in BUSY or state is RELEASED or leads_on
        for following in leads_on:
            assert following in BUSY or following in BRACKETED or following is RELEASED
