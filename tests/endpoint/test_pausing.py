"""FLOW-5: an activation is paused and goes on, also with an adapter that doesn't do what it should."""

from __future__ import annotations

import threading

import pytest
from support_activation import (
    PATIENCE,
    Errands,
    RecordingAdapter,
    activation_of,
    at_once,
    quiet_factory,
)
from support_endpoint import ALICE, Make, under

from connector.endpoint.activation import ActivationState
from connector.errors import DeliveryError, DeploymentError, LoginRefused, Reason
from connector.spi import Message

REFUSED = Reason("CF-TEST-301", "the broker refused the user once more", "Correct the alias.")


def test_a_pause_ends_the_subscription_and_a_resume_begins_it_again() -> None:
    adapter = RecordingAdapter()
    activation = activation_of(adapter, quiet_factory(), spawn=at_once)
    activation.activate()
    assert activation.pause(PATIENCE)
    assert activation.pause(PATIENCE), "twice is harmless"
    assert activation.state is ActivationState.PAUSED
    assert activation.resume() is ActivationState.ACTIVE
    assert activation.resume() is ActivationState.ACTIVE
    assert adapter.calls == ["activate", "deactivate", "activate"]
    assert adapter.seen[0] == adapter.seen[1] == adapter.seen[2]


def test_from_the_instant_of_a_pause_nothing_is_delivered_whatever_the_adapter_does(make: Make) -> None:
    factory = make(lambda *_: "handled")
    adapter, errands = RecordingAdapter(), Errands()
    activation = activation_of(adapter, factory, spawn=errands.spawn)
    activation.activate()
    endpoint = factory.create_endpoint()
    assert not activation.pause(0.0), "the adapter has not been told yet"
    assert activation.state is ActivationState.PAUSED
    with under(ALICE), pytest.raises(DeliveryError, match="CF-ENDP-032"):
        endpoint.deliver(Message())
    with pytest.raises(DeliveryError, match="CF-ENDP-032"):
        factory.create_endpoint()
    assert factory.statistics().refused == {"CF-ENDP-032": 2}
    errands.run()
    activation.resume()
    with under(ALICE):
        assert endpoint.deliver(Message()) == "handled"


def test_a_delivery_under_way_ends_undisturbed_by_a_pause(make: Make) -> None:
    def handler(message: Message, context: object) -> str:
        activation.pause(PATIENCE)
        return "handled"

    factory = make(handler)
    activation = activation_of(RecordingAdapter(), factory, spawn=at_once)
    activation.activate()
    with under(ALICE):
        assert factory.create_endpoint().deliver(Message()) == "handled"


def test_an_adapter_that_hangs_in_a_pause_hangs_nobody() -> None:
    adapter = RecordingAdapter()
    activation = activation_of(adapter, quiet_factory())
    activation.activate()
    adapter.hang = threading.Event()
    assert not activation.pause(0.0)
    assert activation.state is ActivationState.PAUSED
    assert not activation.deactivate(0.0)
    adapter.hang.set()
    assert activation.deactivate(PATIENCE)
    assert adapter.calls == ["activate", "deactivate"]


def test_a_pause_that_was_taken_back_before_the_adapter_heard_of_it_interrupts_nothing() -> None:
    adapter, errands = RecordingAdapter(), Errands()
    activation = activation_of(adapter, quiet_factory(), spawn=errands.spawn)
    activation.activate()
    activation.pause(0.0)
    assert activation.resume() is ActivationState.ACTIVE
    errands.run()
    assert activation.state is ActivationState.ACTIVE
    assert adapter.calls == ["activate"]


def test_a_paused_one_is_not_tried_again_and_one_that_never_stood_is_resumed_by_an_attempt() -> None:
    adapter = RecordingAdapter()
    adapter.on_activate = LoginRefused(REFUSED)
    activation = activation_of(adapter, quiet_factory(), spawn=at_once)
    activation.activate()
    activation.pause(PATIENCE)
    adapter.on_activate = None
    assert activation.retry() is ActivationState.PAUSED
    assert not activation.retry_if_due()
    assert activation.activate() is ActivationState.PAUSED
    assert activation.failure is None
    assert activation.resume() is ActivationState.ACTIVE
    assert adapter.calls == ["activate", "activate"]


def test_after_the_end_there_is_neither_pause_nor_resume() -> None:
    activation = activation_of(RecordingAdapter(), quiet_factory())
    activation.activate()
    activation.deactivate(PATIENCE)
    for operation in (activation.pause, activation.resume):
        with pytest.raises(DeploymentError, match="CF-ENDP-031"):
            operation()
    assert activation.state is ActivationState.ENDED
