"""FLOW-8: which unit of work a handler runs in, and how that ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from support_endpoint import ALICE, EVE, Make, RecordingUnits, Settlement, under

from connector.endpoint.declaration import MessageContext
from connector.endpoint.units import UnitPlan, plan_unit
from connector.errors import AccessDenied, DeliveryError, Reason, TransactionError
from connector.spi import Message, MessageEndpoint

NO_UNIT = Reason("CF-TEST-412", "no unit can begin", "")
PARTICIPANT_SAYS_NO = Reason("CF-TEST-413", "the participant says no", "")


def deliver(endpoint: MessageEndpoint, *, bracketed: bool) -> Any:
    """One message, as an adapter delivers it that puts its settlement into the unit, or not."""
    with under(ALICE):
        if not bracketed:
            return endpoint.deliver(Message())
        endpoint.before_delivery()
        try:
            return endpoint.deliver(Message())
        finally:
            endpoint.after_delivery()


both_ways = pytest.mark.parametrize("bracketed", [False, True], ids=["alone", "bracketed"])


def failing(message: Message, context: MessageContext) -> None:
    raise ValueError("no such day")


@pytest.mark.parametrize(
    ("transacted", "source", "plan"),
    [
        (True, True, UnitPlan.JOIN),
        (True, False, UnitPlan.BEGIN),
        (False, True, UnitPlan.SUSPEND),
        (False, False, UnitPlan.NOTHING),
    ],
)
def test_the_table_of_units(transacted: bool, source: bool, plan: UnitPlan) -> None:
    assert plan_unit(transacted=transacted, source=source) is plan


@both_ways
def test_a_transacted_handler_runs_in_a_unit_of_its_own_with_the_participant_and_the_timeout(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    seen: list[Any] = []
    factory = make(lambda *_: seen.append(units.current()), transacted=True, units=units, transaction_timeout=7.0)
    deliver(factory.create_endpoint(Settlement()), bracketed=bracketed)
    assert seen == units.begun
    assert units.begun[0].timeout == 7.0
    assert units.calls == ["begin unit-1", "enlist bus:test in unit-1", "commit unit-1"]
    assert units.current() is None


@both_ways
def test_a_coroutine_handler_runs_in_the_unit_too(make: Make, units: RecordingUnits, bracketed: bool) -> None:
    async def handler(message: Message, context: MessageContext) -> str:
        await asyncio.sleep(0)
        current = units.current()
        return "none" if current is None else current.id

    factory = make(handler, transacted=True, units=units)
    assert deliver(factory.create_endpoint(), bracketed=bracketed) == "unit-1"
    assert units.calls == ["begin unit-1", "commit unit-1"]


@both_ways
def test_a_transacted_handler_joins_the_source_s_unit_and_the_participant_is_ignored(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    source = units.begin()
    factory = make(lambda *_: units.current() is source, transacted=True, units=units)
    assert deliver(factory.create_endpoint(Settlement()), bracketed=bracketed) is True
    assert units.calls == ["begin unit-1"]
    assert units.current() is source
    assert source.active


@both_ways
def test_a_failure_in_the_source_s_unit_lets_it_end_in_no_other_way_than_rolled_back(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    source = units.begin()
    with pytest.raises(DeliveryError, match="CF-ENDP-020"):
        deliver(make(failing, transacted=True, units=units).create_endpoint(), bracketed=bracketed)
    assert source.rollback_only
    assert not source.outcome, "ending it is the source's own business"


@both_ways
def test_a_handler_that_is_not_transacted_does_not_run_in_the_source_s_unit(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    source = units.begin()
    factory = make(lambda *_: units.current() is None, units=units)
    assert deliver(factory.create_endpoint(Settlement()), bracketed=bracketed) is True
    assert units.calls == ["begin unit-1", "suspend unit-1", "resume unit-1"]
    assert units.current() is source


@both_ways
def test_a_failed_handler_that_is_not_transacted_does_the_source_s_unit_no_harm(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    source = units.begin()
    with pytest.raises(DeliveryError, match="CF-ENDP-020"):
        deliver(make(failing, units=units).create_endpoint(), bracketed=bracketed)
    assert source.active
    assert units.current() is source


@both_ways
def test_without_a_transaction_and_without_a_source_s_unit_nothing_is_done(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    deliver(make(lambda *_: None, units=units).create_endpoint(Settlement()), bracketed=bracketed)
    assert units.calls == []


# --- how it ends ----------------------------------------------------------------------------------------------------


@both_ways
def test_what_the_handler_raises_rolls_back_and_reaches_the_adapter(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    endpoint = make(failing, transacted=True, units=units).create_endpoint(Settlement())
    with pytest.raises(DeliveryError, match="CF-ENDP-020"):
        deliver(endpoint, bracketed=bracketed)
    assert units.calls[-1] == "rollback unit-1"


@both_ways
def test_a_denied_caller_s_delivery_is_rolled_back(make: Make, units: RecordingUnits, bracketed: bool) -> None:
    endpoint = make(lambda *_: None, roles_allowed={"boss"}, transacted=True, units=units).create_endpoint()
    with pytest.raises(AccessDenied, match="CF-ENDP-010"):
        deliver(endpoint, bracketed=bracketed)
    assert units.calls == ["begin unit-1", "rollback unit-1"]


def test_the_end_tells_what_the_message_failed_by_also_an_adapter_that_has_swallowed_it(
    make: Make, units: RecordingUnits
) -> None:
    endpoint = make(failing, transacted=True, units=units).create_endpoint()
    with under(EVE):
        endpoint.before_delivery()
        with pytest.raises(DeliveryError) as first:
            endpoint.deliver(Message())
        with pytest.raises(DeliveryError) as second:
            endpoint.after_delivery()
    assert second.value is first.value


@both_ways
@pytest.mark.parametrize("with_units", [True, False])
def test_a_handler_that_asks_for_a_rollback_has_failed_though_it_returns(
    make: Make, units: RecordingUnits, bracketed: bool, with_units: bool
) -> None:
    def handler(message: Message, context: MessageContext) -> str:
        context.set_rollback_only()
        return "reply"

    factory = make(handler, transacted=True, units=units if with_units else None)
    with pytest.raises(DeliveryError, match="CF-ENDP-022"):
        deliver(factory.create_endpoint(), bracketed=bracketed)
    assert units.calls == (["begin unit-1", "rollback unit-1"] if with_units else [])


@pytest.mark.parametrize("with_units", [True, False])
def test_between_the_handler_and_the_end_of_the_delivery_a_rollback_can_still_be_asked_for(
    make: Make, units: RecordingUnits, with_units: bool
) -> None:
    contexts: list[MessageContext] = []
    factory = make(lambda _, context: contexts.append(context), transacted=True, units=units if with_units else None)
    endpoint = factory.create_endpoint()
    with under(ALICE):
        endpoint.before_delivery()
        endpoint.deliver(Message())
        contexts[0].set_rollback_only()
        with pytest.raises(DeliveryError, match="CF-ENDP-022"):
            endpoint.after_delivery()


@both_ways
def test_after_the_end_of_the_delivery_a_rollback_is_refused_and_not_just_forgotten(
    make: Make, units: RecordingUnits, bracketed: bool
) -> None:
    contexts: list[MessageContext] = []
    factory = make(lambda _, context: contexts.append(context), transacted=True, units=units)
    deliver(factory.create_endpoint(), bracketed=bracketed)
    with pytest.raises(TransactionError, match="CF-ENDP-025"):
        contexts[0].set_rollback_only()
    assert units.calls == ["begin unit-1", "commit unit-1"]


def test_after_a_release_between_the_brackets_a_rollback_is_refused(make: Make, units: RecordingUnits) -> None:
    contexts: list[MessageContext] = []
    endpoint = make(lambda _, context: contexts.append(context), transacted=True, units=units).create_endpoint()
    with under(ALICE):
        endpoint.before_delivery()
        endpoint.deliver(Message())
        endpoint.release()
    with pytest.raises(TransactionError, match="CF-ENDP-025"):
        contexts[0].set_rollback_only()


def test_a_handler_that_is_not_transacted_has_nothing_to_roll_back(make: Make, units: RecordingUnits) -> None:
    def handler(message: Message, context: MessageContext) -> str:
        with pytest.raises(TransactionError, match="CF-ENDP-023"):
            context.set_rollback_only()
        return "handled"

    assert deliver(make(handler, units=units).create_endpoint(), bracketed=False) == "handled"


def test_a_unit_that_breaks_between_the_message_and_its_end_is_told(make: Make, units: RecordingUnits) -> None:
    endpoint = make(lambda *_: None, transacted=True, units=units).create_endpoint()
    with under(ALICE):
        endpoint.before_delivery()
        endpoint.deliver(Message())
        units.begun[0].set_rollback_only()
        with pytest.raises(DeliveryError, match="CF-ENDP-022"):
            endpoint.after_delivery()
    assert units.begun[0].outcome == "rolled back"


@both_ways
@pytest.mark.parametrize("error", [TransactionError(PARTICIPANT_SAYS_NO), ValueError("secret")])
def test_a_unit_that_could_not_be_committed_is_a_failed_delivery_with_its_cause(
    make: Make, units: RecordingUnits, bracketed: bool, error: Exception
) -> None:
    units.refuse_commit = error
    with pytest.raises(DeliveryError, match="CF-ENDP-024") as caught:
        deliver(make(lambda *_: None, transacted=True, units=units).create_endpoint(), bracketed=bracketed)
    assert caught.value.__cause__ is error
    assert ("CF-TEST-413" if isinstance(error, TransactionError) else "ValueError") in str(caught.value)
    assert "secret" not in str(caught.value)


@both_ways
def test_a_rollback_that_raises_does_not_hide_why_it_was_wanted(
    make: Make, units: RecordingUnits, bracketed: bool, caplog: pytest.LogCaptureFixture
) -> None:
    units.refuse_rollback = OSError("secret")
    with pytest.raises(DeliveryError, match="CF-ENDP-020"):
        deliver(make(failing, transacted=True, units=units).create_endpoint(), bracketed=bracketed)
    assert "OSError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("stage", ["begin", "enlist"])
def test_where_no_unit_can_begin_no_handler_is_called_and_the_endpoint_can_be_used_again(
    make: Make, units: RecordingUnits, stage: str
) -> None:
    called: list[Any] = []
    endpoint = make(lambda *_: called.append(1), transacted=True, units=units).create_endpoint(Settlement())
    refusal = TransactionError(NO_UNIT)
    units.refuse_begin, units.refuse_enlisting = (refusal, None) if stage == "begin" else (None, refusal)
    attempts: list[Callable[[], Any]] = [endpoint.before_delivery, lambda: endpoint.deliver(Message())]
    with under(ALICE):
        for attempt in attempts:
            with pytest.raises(TransactionError, match="CF-TEST-412"):
                attempt()
        assert units.current() is None
        units.refuse_begin = units.refuse_enlisting = None
        endpoint.deliver(Message())
    assert called == [1]
    assert all(unit.outcome == "rolled back" for unit in units.begun[:-1])
