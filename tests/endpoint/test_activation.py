"""CHAIN-6: activations that fail, are tried again, and end without hanging."""

from __future__ import annotations

import logging
import threading

import pytest
from support_activation import PATIENCE, RecordingAdapter, activation_of, quiet_factory
from support_work import MARKER

from connector.endpoint.activation import Activation, ActivationState
from connector.endpoint.factory import HandlerEndpointFactory
from connector.errors import DeliveryError, DeploymentError, LoginRefused, PluginError, Reason

REFUSED = Reason("CF-TEST-300", "the broker refused the user", "Correct the alias.")


@pytest.fixture
def adapter() -> RecordingAdapter:
    return RecordingAdapter()


@pytest.fixture
def factory() -> HandlerEndpointFactory:
    return quiet_factory()


@pytest.fixture
def activation(adapter: RecordingAdapter, factory: HandlerEndpointFactory) -> Activation:
    return activation_of(adapter, factory)


def test_an_activation_becomes_active_once(activation: Activation, adapter: RecordingAdapter) -> None:
    assert activation.state is ActivationState.INACTIVE
    assert activation.activate() is ActivationState.ACTIVE
    assert activation.activate() is ActivationState.ACTIVE
    assert activation.retry() is ActivationState.ACTIVE
    assert adapter.calls == ["activate"]
    assert repr(activation) == "<Activation orders:jms/in of jms/orders, active>"


def test_a_refused_activation_keeps_its_error_and_recovers_when_it_is_put_right(
    activation: Activation, adapter: RecordingAdapter
) -> None:
    adapter.on_activate = LoginRefused(REFUSED)
    assert activation.activate() is ActivationState.FAILED
    assert activation.failure is adapter.on_activate
    assert activation.retry() is ActivationState.FAILED
    adapter.on_activate = None
    assert activation.retry() is ActivationState.ACTIVE
    assert activation.failure is None
    assert activation.attempts == 3


def test_what_else_an_adapter_raises_is_a_plugin_s_error_told_by_type(
    activation: Activation, adapter: RecordingAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    adapter.on_activate = ValueError(MARKER)
    with caplog.at_level(logging.WARNING, "connector.endpoint"):
        assert activation.activate() is ActivationState.FAILED
    assert isinstance(activation.failure, PluginError)
    assert activation.failure.code == "CF-ENDP-030"
    assert activation.failure.__cause__ is adapter.on_activate
    assert "ValueError" in caplog.text
    assert MARKER not in caplog.text


def test_the_end_passes_the_same_objects_and_closes_the_factory(
    activation: Activation, adapter: RecordingAdapter, factory: HandlerEndpointFactory
) -> None:
    activation.activate()
    assert activation.deactivate(PATIENCE)
    assert activation.state is ActivationState.ENDED
    assert adapter.calls == ["activate", "deactivate"]
    assert adapter.seen[0][0] is adapter.seen[1][0] is factory
    assert adapter.seen[0][1] is adapter.seen[1][1]
    with pytest.raises(DeliveryError, match="CF-ENDP-014"):
        factory.create_endpoint()
    with pytest.raises(DeploymentError, match="CF-ENDP-031"):
        activation.activate()
    assert activation.retry() is ActivationState.ENDED


def test_an_activation_that_never_stood_is_not_taken_back_from_the_adapter(
    activation: Activation, adapter: RecordingAdapter
) -> None:
    adapter.on_activate = LoginRefused(REFUSED)
    activation.activate()
    assert activation.deactivate(PATIENCE)
    assert adapter.calls == ["activate"]
    assert activation.failure is None


def test_what_the_adapter_raises_at_the_end_is_logged_by_type(
    activation: Activation, adapter: RecordingAdapter, caplog: pytest.LogCaptureFixture
) -> None:
    activation.activate()
    adapter.on_deactivate = ValueError(MARKER)
    with caplog.at_level(logging.WARNING, "connector.endpoint"):
        assert activation.deactivate(PATIENCE)
    assert "ValueError" in caplog.text
    assert MARKER not in caplog.text


def test_an_adapter_that_hangs_does_not_hang_the_end_and_delivers_nothing_more(
    activation: Activation, adapter: RecordingAdapter, factory: HandlerEndpointFactory, caplog: pytest.LogCaptureFixture
) -> None:
    activation.activate()
    adapter.hang = threading.Event()
    assert not activation.deactivate(0.0)
    assert "did not come to an end" in caplog.text
    with pytest.raises(DeliveryError, match="CF-ENDP-014"):
        factory.create_endpoint()
    adapter.hang.set()
    assert activation.deactivate(PATIENCE)
    assert adapter.calls == ["activate", "deactivate"]


def test_the_end_can_be_called_twice(activation: Activation, adapter: RecordingAdapter) -> None:
    activation.activate()
    assert activation.deactivate(PATIENCE)
    assert activation.deactivate(PATIENCE)
    assert adapter.calls == ["activate", "deactivate"]


def test_several_activations_can_be_told_to_end_before_the_first_is_waited_for(
    activation: Activation, adapter: RecordingAdapter
) -> None:
    activation.activate()
    adapter.hang = threading.Event()
    ended = activation.begin_end()
    assert not ended.is_set()
    adapter.hang.set()
    assert activation.deactivate(PATIENCE)
    assert ended.is_set()
    assert adapter.calls == ["activate", "deactivate"]
