"""OPS-2, FLOW-8: what becomes of messages is counted, and so is an adapter's misuse; nothing is counted twice."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from support_endpoint import ALICE, EVE, PATIENCE, Make, RecordingUnits, under
from support_work import ManualClock

from connector.endpoint.declaration import MessageContext
from connector.endpoint.statistics import DeliveryOutcome
from connector.errors import ConnectorError, DeliveryError, Reason, SignOnError
from connector.spi import Message, RedeliveryPolicy, identity_outage

DIRECTORY_AWAY = Reason("CF-TEST-304", "the directory does not answer", "Wait.")


def outage() -> SignOnError:
    error = SignOnError(DIRECTORY_AWAY)
    error.retryable = True
    return error


def raising(error: BaseException) -> Any:
    def handler(message: Message, context: MessageContext) -> None:
        raise error

    return handler


both_ways = pytest.mark.parametrize("bracketed", [False, True], ids=["alone", "bracketed"])


def attempt(endpoint: Any, *, bracketed: bool) -> None:
    try:
        if bracketed:
            endpoint.before_delivery()
        try:
            endpoint.deliver(Message())
        finally:
            if bracketed:
                endpoint.after_delivery()
    except ConnectorError:
        pass


@both_ways
@pytest.mark.parametrize(
    ("handler", "subject", "outcome"),
    [
        (lambda *_: None, ALICE, DeliveryOutcome.DELIVERED),
        (lambda *_: None, EVE, DeliveryOutcome.DENIED),
        (raising(ValueError()), ALICE, DeliveryOutcome.FAILED),
        (raising(SystemExit()), ALICE, DeliveryOutcome.FAILED),
        (lambda *_: object(), ALICE, DeliveryOutcome.FAILED),
        (raising(outage()), ALICE, DeliveryOutcome.OUTAGE),
        (lambda _, context: context.set_rollback_only(), ALICE, DeliveryOutcome.ROLLED_BACK),
    ],
    ids=["returns", "denied", "raises", "exits", "nonsense", "outage", "rollback-only"],
)
def test_every_delivery_is_counted_once_by_how_it_ended(
    make: Make, units: RecordingUnits, bracketed: bool, handler: Any, subject: Any, outcome: DeliveryOutcome
) -> None:
    factory = make(handler, roles_allowed={"clerk"}, transacted=True, units=units)
    done = threading.Event()

    def deliver() -> None:  # as a work does: an exit of the main thread would be the user's
        with under(subject):
            attempt(factory.create_endpoint(), bracketed=bracketed)
        done.set()

    threading.Thread(target=deliver).start()
    assert done.wait(PATIENCE)
    statistics = factory.statistics()
    assert dict(statistics.ended) == {outcome: 1}
    assert (statistics.active, dict(statistics.refused)) == (0, {})


@both_ways
def test_a_commit_that_fails_is_a_delivery_that_was_rolled_back(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    units.refuse_commit = ValueError()
    factory = make(lambda *_: None, transacted=True, units=units)
    with under(ALICE):
        attempt(factory.create_endpoint(), bracketed=bracketed)
    assert dict(factory.statistics().ended) == {DeliveryOutcome.ROLLED_BACK: 1}


def test_brackets_without_a_message_are_no_delivery_and_an_abandoned_message_is_one(
    make: Make, units: RecordingUnits
) -> None:
    factory = make(lambda *_: None, transacted=True, units=units)
    endpoint = factory.create_endpoint()
    with under(ALICE):
        endpoint.before_delivery()
        endpoint.after_delivery()
        assert dict(factory.statistics().ended) == {}
        endpoint.before_delivery()
        endpoint.deliver(Message())
        endpoint.release()
    assert dict(factory.statistics().ended) == {DeliveryOutcome.ROLLED_BACK: 1}


def test_how_long_handlers_take_and_that_one_hangs_can_be_seen(make: Make) -> None:
    clock, seen = ManualClock(), []

    def handler(message: Message, context: MessageContext) -> None:
        clock.now += 7.0
        seen.append(factory.statistics())

    factory = make(handler, clock=clock)
    with under(ALICE):
        factory.create_endpoint().deliver(Message())
    assert (seen[0].active, seen[0].longest) == (1, 7.0)
    after = factory.statistics()
    assert (after.active, after.longest, after.seconds) == (0, 0.0, 7.0)
    figures = {
        one.name: one for one in after.measurements("orders", "jms/in") if one.name != "connector.delivery.ended"
    }
    assert (figures["connector.delivery.time"].value, figures["connector.delivery.time"].count) == (7.0, 1)


def test_an_adapter_that_delivers_more_at_once_than_the_concurrency_is_refused_and_counted(make: Make) -> None:
    codes: list[str] = []

    def handler(message: Message, context: MessageContext) -> None:
        try:
            factory.create_endpoint().deliver(message)
        except DeliveryError as error:
            codes.append(error.code)

    factory = make(handler, concurrency=2)
    with under(ALICE):
        factory.create_endpoint().deliver(Message())
    assert codes == ["CF-ENDP-019"], "the second at once is within the concurrency, the third is not"
    assert factory.statistics().refused == {"CF-ENDP-019": 1}


def test_an_adapter_s_misuse_is_counted_by_code_and_logged_once(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    factory = make(lambda *_: None)
    endpoint = factory.create_endpoint()
    for _ in range(3):
        with pytest.raises(DeliveryError):
            endpoint.after_delivery()
        with pytest.raises(DeliveryError):
            endpoint.deliver(Message())
    assert factory.statistics().refused == {"CF-ENDP-016": 3, "CF-ENDP-013": 3}
    assert caplog.text.count("CF-ENDP-016") == 1
    refused = [one for one in factory.statistics().measurements("a", "b") if one.name == "connector.delivery.refused"]
    assert {one.attributes["connector.reason"]: one.value for one in refused} == {"CF-ENDP-016": 3, "CF-ENDP-013": 3}


# --- the values that adapter and container agree on -------------------------------------------------------------------


def test_delays_grow_up_to_their_limit() -> None:
    policy = RedeliveryPolicy(limit=9, delay=2.0, backoff=3.0, max_delay=60.0)
    assert [policy.pause(failures) for failures in range(1, 6)] == [2.0, 6.0, 18.0, 54.0, 60.0]
    assert RedeliveryPolicy(delay=2.0, backoff=100.0, max_delay=60.0).pause(10_000) == 60.0
    assert RedeliveryPolicy(delay=5.0).pause(7) == 5.0
    assert RedeliveryPolicy().pause(1) == 0.0


def test_an_outage_is_found_behind_whatever_wraps_it_and_a_refusal_is_none() -> None:
    error = outage()
    wrapped = DeliveryError(DIRECTORY_AWAY)
    wrapped.__cause__ = RuntimeError()
    wrapped.__cause__.__cause__ = error
    assert identity_outage(wrapped) is error
    assert identity_outage(SignOnError(DIRECTORY_AWAY)) is None
    assert identity_outage(ValueError()) is None
    circle = DeliveryError(DIRECTORY_AWAY)
    circle.__cause__ = circle
    assert identity_outage(circle) is None
