"""FLOW-8: an endpoint in the hands of an adapter: brackets around a message, and what is refused."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from support_endpoint import ALICE, PATIENCE, Make, RecordingUnits, Settlement, under

from connector.endpoint.declaration import MessageContext
from connector.errors import DeliveryError
from connector.security.scope import CURRENT_SCOPE
from connector.spi import Message, MessageEndpoint


def refused(call: Callable[[], Any]) -> str:
    with pytest.raises(DeliveryError) as caught:
        call()
    return caught.value.code


def elsewhere(call: Callable[[], Any]) -> str:
    """What a call on another thread is refused with."""
    codes: list[str] = []
    thread = threading.Thread(target=lambda: codes.append(refused(call)))
    thread.start()
    thread.join(PATIENCE)
    return codes[0]


def endpoint_of(make: Make, units: RecordingUnits, handler: Callable[..., Any] = lambda *_: "reply") -> MessageEndpoint:
    return make(handler, transacted=True, units=units).create_endpoint(Settlement())


def test_a_message_between_the_brackets_is_handled_in_one_unit_with_its_settlement(
    make: Make, units: RecordingUnits
) -> None:
    endpoint = endpoint_of(make, units)
    with under(ALICE):
        for _ in range(2):
            endpoint.before_delivery()
            assert endpoint.deliver(Message()) == "reply"
            assert units.current() is units.begun[-1]
            endpoint.after_delivery()
            assert units.current() is None
    assert units.calls == [
        *("begin unit-1", "enlist bus:test in unit-1", "commit unit-1"),
        *("begin unit-2", "enlist bus:test in unit-2", "commit unit-2"),
    ]


@pytest.mark.parametrize("messages", [0, 1])
def test_brackets_that_are_open_when_their_work_ends_are_rolled_back_and_counted(
    make: Make, units: RecordingUnits, messages: int, caplog: pytest.LogCaptureFixture
) -> None:
    factory = make(lambda *_: "reply", transacted=True, units=units)
    endpoint = factory.create_endpoint(Settlement())
    with under(ALICE):
        endpoint.before_delivery()
        for _ in range(messages):
            endpoint.deliver(Message())
    assert units.calls == ["begin unit-1", "enlist bus:test in unit-1", "rollback unit-1"]
    assert units.current() is None
    assert factory.statistics().refused == {"CF-ENDP-026": 1}
    assert "CF-ENDP-026" in caplog.text
    with under(ALICE):
        assert refused(endpoint.after_delivery) == "CF-ENDP-012"


def test_a_failure_between_brackets_that_nobody_closes_is_rolled_back_as_well(
    make: Make, units: RecordingUnits
) -> None:
    def fail(*_: Any) -> None:
        raise ValueError("no such day")

    factory = make(fail, transacted=True, units=units)
    endpoint = factory.create_endpoint(Settlement())
    with under(ALICE):
        endpoint.before_delivery()
        assert refused(lambda: endpoint.deliver(Message())) == "CF-ENDP-020"
    assert units.calls[-1] == "rollback unit-1"


def test_the_end_of_a_work_is_not_told_to_endpoints_that_are_done(make: Make, units: RecordingUnits) -> None:
    factory = make(lambda *_: "reply", transacted=True, units=units)
    with under(ALICE):
        scope = CURRENT_SCOPE.get()
        assert scope is not None
        for closing in ("after_delivery", "release"):
            endpoint = factory.create_endpoint(Settlement())
            endpoint.before_delivery()
            assert [id(lender) for lender in scope.lenders] == [id(endpoint)]
            endpoint.deliver(Message())
            getattr(endpoint, closing)()
            assert scope.lenders == ()
    assert factory.statistics().refused == {}


@pytest.mark.parametrize("found", [None, {"a": 1}, "text"])
def test_what_is_no_message_is_refused_by_name(make: Make, units: RecordingUnits, found: Any) -> None:
    called: list[Any] = []
    factory = make(lambda *arguments: called.append(arguments), transacted=True, units=units)
    endpoint = factory.create_endpoint()
    with under(ALICE):
        assert refused(lambda: endpoint.deliver(found)) == "CF-ENDP-027"
    assert units.calls == ["begin unit-1", "rollback unit-1"]
    assert called == []
    assert factory.statistics().refused == {"CF-ENDP-027": 1}


def test_no_message_between_the_brackets_is_legal(make: Make, units: RecordingUnits) -> None:
    endpoint = endpoint_of(make, units)
    endpoint.before_delivery()
    endpoint.after_delivery()
    assert units.begun[0].outcome == "committed"


@pytest.mark.parametrize("messages", [0, 1])
def test_a_release_between_the_brackets_rolls_back(make: Make, units: RecordingUnits, messages: int) -> None:
    endpoint = endpoint_of(make, units)
    with under(ALICE):
        endpoint.before_delivery()
        for _ in range(messages):
            endpoint.deliver(Message())
    endpoint.release()
    endpoint.release()
    assert units.begun[0].outcome == "rolled back"
    assert units.current() is None
    assert refused(endpoint.after_delivery) == "CF-ENDP-012"


def test_a_release_from_another_thread_between_the_brackets_rolls_back_as_well(
    make: Make, units: RecordingUnits
) -> None:
    endpoint = endpoint_of(make, units)
    endpoint.before_delivery()
    thread = threading.Thread(target=endpoint.release)
    thread.start()
    thread.join(PATIENCE)
    assert units.begun[0].outcome == "rolled back"


def test_calls_out_of_order_are_refused_and_spoil_nothing(make: Make, units: RecordingUnits) -> None:
    endpoint = endpoint_of(make, units)
    assert refused(endpoint.after_delivery) == "CF-ENDP-016"
    with under(ALICE):
        endpoint.before_delivery()
        assert refused(endpoint.before_delivery) == "CF-ENDP-016"
        endpoint.deliver(Message())
        assert refused(lambda: endpoint.deliver(Message())) == "CF-ENDP-017"
        endpoint.after_delivery()
    assert units.begun[0].outcome == "committed"


def test_the_calls_of_one_delivery_belong_to_one_thread(make: Make, units: RecordingUnits) -> None:
    endpoint = endpoint_of(make, units)
    with under(ALICE):
        endpoint.before_delivery()
        assert elsewhere(lambda: endpoint.deliver(Message())) == "CF-ENDP-018"
        endpoint.deliver(Message())
        assert elsewhere(endpoint.after_delivery) == "CF-ENDP-018"
        endpoint.after_delivery()
    assert units.begun[0].outcome == "committed"


@pytest.mark.parametrize("bracketed", [False, True])
def test_while_a_message_is_handled_everything_else_is_refused_and_the_handler_undisturbed(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    codes: list[str] = []

    def handler(message: Message, context: MessageContext) -> str:
        calls = (endpoint.before_delivery, endpoint.after_delivery, lambda: endpoint.deliver(message), endpoint.release)
        codes.extend(refused(call) for call in calls)
        codes.append(elsewhere(lambda: endpoint.deliver(message)))
        return "undisturbed"

    endpoint = endpoint_of(make, units, handler)
    with under(ALICE):
        if bracketed:
            endpoint.before_delivery()
        assert endpoint.deliver(Message()) == "undisturbed"
        if bracketed:
            endpoint.after_delivery()
    assert codes == ["CF-ENDP-011", "CF-ENDP-011", "CF-ENDP-011", "CF-ENDP-015", "CF-ENDP-011"]
    assert units.begun[0].outcome == "committed"


def test_after_the_activation_s_end_no_delivery_begins_and_one_under_way_ends(
    make: Make, units: RecordingUnits
) -> None:
    factory = make(lambda *_: "reply", transacted=True, units=units)
    begun, late = factory.create_endpoint(), factory.create_endpoint()
    with under(ALICE):
        begun.before_delivery()
        begun.deliver(Message())
        factory.close()
        begun.after_delivery()
        assert refused(late.before_delivery) == "CF-ENDP-014"
        assert refused(lambda: late.deliver(Message())) == "CF-ENDP-014"
    assert [unit.outcome for unit in units.begun] == ["committed"]
