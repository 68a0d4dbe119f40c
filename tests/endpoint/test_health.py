"""CHAIN-6, OPS-2: healthy is what is subscribed, and whose source was seen of late."""

from __future__ import annotations

import pytest
from support_activation import RecordingAdapter, activation_of, at_once, quiet_factory
from support_work import MARKER, ManualClock

from connector.errors import ConnectionFailed, Reason
from connector.spi import ActivationHealth

AWAY = Reason("CF-TEST-303", "the broker has gone", "Wait.")


@pytest.mark.parametrize(
    ("said", "healthy", "problem"),
    [
        (ActivationHealth(subscribed=True), True, ""),
        (ActivationHealth(subscribed=True, polled=30.0), True, ""),
        (ActivationHealth(subscribed=True, polled=30.5), False, "its source was not seen for 30 s"),
        (ActivationHealth(subscribed=True, polled=None), False, "its source was not seen yet"),
        (ActivationHealth(subscribed=False), False, "not subscribed"),
        (ActivationHealth(subscribed=True, waiting="CF-LDAP-010"), True, "deliveries wait: CF-LDAP-010"),
        (ValueError(MARKER), False, "the adapter raised ValueError"),
        (ConnectionFailed(AWAY), False, "the adapter raised CF-TEST-303"),
    ],
)
def test_an_active_one_is_judged_by_the_adapter_s_word(
    said: ActivationHealth | Exception, healthy: bool, problem: str
) -> None:
    adapter = RecordingAdapter()
    adapter.health = said
    activation = activation_of(adapter, quiet_factory(), healthy_within=30.0)
    activation.activate()
    report = activation.report()
    assert (report.healthy, report.problem) == (healthy, problem)
    (gauge, _attempts) = report.measurements()
    assert (gauge.name, gauge.value, gauge.attributes["connector.state"]) == (
        "connector.activation.healthy",
        int(healthy),
        "active",
    )


def test_the_adapter_is_not_asked_about_what_is_not_active() -> None:
    adapter = RecordingAdapter()
    adapter.health = AssertionError("asked")
    activation = activation_of(adapter, quiet_factory(), spawn=at_once)
    assert activation.report().problem == "inactive"
    activation.activate()
    activation.pause()
    report = activation.report()
    assert (report.healthy, report.problem, report.polled) == (False, "paused", None)


def test_a_failed_one_says_why_and_when_it_is_tried_again() -> None:
    adapter = RecordingAdapter()
    adapter.on_activate = ConnectionFailed(AWAY)
    activation = activation_of(adapter, quiet_factory(), clock=ManualClock())
    activation.activate()
    assert activation.report().to_dict() == {
        "application": "orders",
        "activation": "jms/in",
        "resource": "jms/orders",
        "state": "failed",
        "healthy": False,
        "problem": "failed",
        "error": "CF-TEST-303: the broker has gone. Wait.",
        "polled": None,
        "attempts": 1,
        "next_attempt": 1.0,
    }
