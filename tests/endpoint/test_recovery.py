"""CHAIN-6: an activation recovers by itself when the provider comes back."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_activation import PATIENCE, Errands, RecordingAdapter, activation_of, at_once, quiet_factory
from support_work import MARKER, ManualClock

from connector.endpoint.activation import ActivationState
from connector.endpoint.backoff import Backoff
from connector.errors import ConnectionFailed, Reason

AWAY = Reason("CF-TEST-302", "the broker does not answer", "Wait.")


@given(failures=st.integers(1, 10_000), chance=st.floats(0, 1))
def test_pauses_never_shrink_and_never_exceed_the_longest_but_for_the_scatter(failures: int, chance: float) -> None:
    even = Backoff(chance=lambda: 0.0)
    scattered = Backoff(chance=lambda: chance)
    assert even.pause(failures) <= even.pause(failures + 1) <= even.longest
    assert even.pause(failures) <= scattered.pause(failures) <= even.pause(failures) * 1.1


def test_a_failed_one_is_tried_again_after_longer_and_longer_pauses_until_it_stands() -> None:
    adapter, clock = RecordingAdapter(), ManualClock()
    adapter.on_activate = ConnectionFailed(AWAY)
    activation = activation_of(adapter, quiet_factory(), clock=clock, spawn=at_once)
    activation.activate()
    for pause in (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0):
        assert activation.report().standing.next_attempt == pause
        clock.now += pause - 0.001
        assert not activation.retry_if_due()
        clock.now += 0.001
        assert activation.retry_if_due()
    adapter.on_activate = None
    clock.now += 60.0
    assert activation.retry_if_due()
    assert activation.state is ActivationState.ACTIVE
    assert activation.attempts == 10
    clock.now += 3600.0
    assert not activation.retry_if_due()


def test_after_a_recovery_the_pauses_begin_anew() -> None:
    adapter, clock, factory = RecordingAdapter(), ManualClock(), quiet_factory()
    adapter.on_activate = ConnectionFailed(AWAY)
    activation = activation_of(adapter, factory, clock=clock, spawn=at_once)
    for _ in range(3):
        activation.activate()
    adapter.on_activate = None
    activation.retry()
    factory.lost(ConnectionFailed(AWAY))
    assert activation.report().standing.next_attempt == 1.0


def test_a_lost_subscription_is_ended_at_the_adapter_and_begun_again() -> None:
    adapter, clock, factory, errands = RecordingAdapter(), ManualClock(), quiet_factory(), Errands()
    activation = activation_of(adapter, factory, clock=clock, spawn=errands.spawn)
    activation.activate()
    loss = ConnectionFailed(AWAY)
    factory.lost(loss)
    factory.lost(loss)
    assert adapter.calls == ["activate"], "the adapter may hold its locks when it says so"
    errands.run()
    assert activation.report().standing.state == "failed"
    assert activation.failure is loss
    clock.now += 1.0
    assert activation.retry_if_due()
    errands.run()
    assert activation.state is ActivationState.ACTIVE
    assert adapter.calls == ["activate", "deactivate", "activate"]


@pytest.mark.parametrize("state", [ActivationState.PAUSED, ActivationState.ENDED, ActivationState.INACTIVE])
def test_a_loss_of_what_is_not_active_changes_nothing(state: ActivationState) -> None:
    adapter, factory = RecordingAdapter(), quiet_factory()
    activation = activation_of(adapter, factory, spawn=at_once)
    if state is not ActivationState.INACTIVE:
        activation.activate()
    if state is ActivationState.PAUSED:
        activation.pause()
    if state is ActivationState.ENDED:
        activation.deactivate(PATIENCE)
    factory.lost(ConnectionFailed(AWAY))
    assert activation.state is state


def test_an_attempt_that_hangs_is_not_joined_by_another() -> None:
    adapter, clock, errands = RecordingAdapter(), ManualClock(), Errands()
    adapter.on_activate = ConnectionFailed(AWAY)
    activation = activation_of(adapter, quiet_factory(), clock=clock, spawn=errands.spawn)
    activation.activate()
    clock.now += 1.0
    assert activation.retry_if_due()
    assert not activation.retry_if_due()
    assert errands.run() == 1
    clock.now += 2.0
    assert activation.retry_if_due()


def test_a_retry_that_hangs_in_the_adapter_does_not_hang_the_end() -> None:
    hang, entered = threading.Event(), threading.Event()

    class Hanging(RecordingAdapter):
        def activate_endpoint(self, *_: object) -> None:
            entered.set()
            hang.wait(PATIENCE)

    activation = activation_of(Hanging(), quiet_factory())
    trying = threading.Thread(target=activation.activate)
    trying.start()
    assert entered.wait(PATIENCE)
    assert not activation.deactivate(0.0)
    hang.set()
    assert activation.deactivate(PATIENCE)
    trying.join(PATIENCE)
    assert activation.state is ActivationState.ENDED


def test_what_an_adapter_raises_at_the_end_of_a_lost_one_is_told_by_type(caplog: pytest.LogCaptureFixture) -> None:
    adapter, factory = RecordingAdapter(), quiet_factory()
    activation = activation_of(adapter, factory, spawn=at_once)
    activation.activate()
    adapter.on_deactivate = ValueError(MARKER)
    factory.lost(ConnectionFailed(AWAY))
    assert activation.state is ActivationState.FAILED
    assert "ValueError" in caplog.text
    assert MARKER not in caplog.text
