"""Audit events are counted by what they are about, in no more series than there may be."""

from __future__ import annotations

import pytest

from connector.spi import AuditEvent, Outcome
from connector_metrics.event_counts import MOST_SERIES, EventCounts, series_of


def event(action: str, outcome: Outcome = Outcome.SUCCESS, reason: str = "", resource: str = "x") -> AuditEvent:
    return AuditEvent(action, "alice", resource, outcome, reason)


def counted(counts: EventCounts) -> dict[tuple[str, ...], float]:
    return {(one.name, *one.attributes.values()): one.value for one in counts.measurements()}


def test_deliveries_sign_ons_and_logins_are_counted_by_outcome() -> None:
    counts = EventCounts()
    for _ in range(2):
        counts.note(event("deliver", resource="shop:jms/orders"))
    counts.note(event("sign-on", resource="jdbc/ledger"))
    counts.note(event("login"))
    assert counted(counts) == {
        ("connector.deliveries", "shop:jms/orders", "success"): 2,
        ("connector.logins", "success"): 1,
        ("connector.sign_ons", "jdbc/ledger", "success"): 1,
    }


@pytest.mark.parametrize("outcome", [Outcome.DENIED, Outcome.FAILURE])
def test_whatever_does_not_succeed_is_counted_by_its_code_as_well(outcome: Outcome) -> None:
    assert series_of(event("deliver", outcome, "CF-ENDP-010", "shop:in")) == (
        ("connector.deliveries", (("activation", "shop:in"), ("outcome", outcome.value))),
        ("connector.refusals", (("action", "deliver"), ("code", "CF-ENDP-010"))),
    )


def test_an_action_without_a_series_of_its_own_is_counted_only_when_refused() -> None:
    assert series_of(event("bus.connect")) == ()
    assert [name for name, _ in series_of(event("bus.connect", Outcome.DENIED, "CF-BUS-011"))] == ["connector.refusals"]


@pytest.mark.parametrize("reason", ["", "alice is not in the role", "CF-", "cf-bus-011", "CF-BUS-011 alice"])
def test_a_reason_that_is_no_code_makes_no_series_of_its_own(reason: str) -> None:
    ((_, attributes),) = series_of(event("send", Outcome.DENIED, reason))
    assert dict(attributes)["code"] == "other"


def test_no_event_names_its_user() -> None:
    counts = EventCounts()
    for action in ("deliver", "sign-on", "login", "send"):
        counts.note(event(action, Outcome.DENIED, "CF-X-1"))
    assert "alice" not in repr(counts.measurements())


def test_beyond_the_limit_events_are_counted_together_and_none_is_lost() -> None:
    counts = EventCounts()
    for number in range(MOST_SERIES + 50):
        counts.note(event("deliver", resource=f"made up {number}"))
    found = counted(counts)
    assert len(found) == MOST_SERIES + 1
    assert found["connector.deliveries", "other", "other"] == 50
    assert sum(found.values()) == MOST_SERIES + 50
