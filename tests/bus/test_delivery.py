"""Delivery to handlers: identity, reply, redelivery, exception destination, transactions (FLOW-5, FLOW-8, BUS-11)."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running, weather_bus

from connector.errors import AccessDenied, DeliveryError, MessagingError, NameNotFound, Reason
from connector.spi import Message, ServerPrincipal
from connector_bus.adapter import resource_adapter

DENIED = Reason("CF-TESTBUS-010", "{user} is in no allowed role", "")


def failing(message: Message) -> None:
    raise ValueError("no such day")


def bodies(messages: list[Message]) -> list[Any]:
    return [message.body for message in messages]


def test_a_handler_runs_as_the_sender_with_its_groups_and_its_reply_carries_the_sender(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        seen: list[Any] = []

        def handler(message: Message) -> str:
            seen.append(world.identity.current_subject())
            return "Sunny"

        world.activate(handler)
        message_id = world.connect("alice").send("requests", "x", reply_to="replies")
        world.works.pump()
        assert (str(seen[0].caller), seen[0].groups) == ("alice@weather", {"clients"})
        (reply,) = world.peek("replies")
        assert (reply.body, reply.correlation_id, str(reply.identity)) == ("Sunny", message_id, "alice@weather")
        assert world.peek("requests") == []


def test_an_unauthenticated_message_is_delivered_as_nobody(tmp_path: Path) -> None:
    with running(tmp_path, {"weather": weather_bus(security=False)}) as world:
        seen: list[Any] = []
        world.activate(lambda message: seen.append(world.identity.current_subject()))
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert [str(subject.caller) for subject in seen] == ["unauthenticated"]


def test_no_more_messages_than_the_concurrency_are_in_delivery(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(lambda message: None, concurrency=2)
        connection = world.connect("alice")
        for number in range(5):
            connection.send("requests", number)
        assert world.works.waiting == 2
        assert world.works.pump() == 5


def test_a_failing_message_is_redelivered_up_to_the_limit_then_stands_in_the_exception_destination(
    tmp_path: Path,
) -> None:
    with running(tmp_path) as world:
        counts: list[int] = []

        def handler(message: Message) -> None:
            counts.append(message.delivery_count)
            failing(message)

        world.activate(handler, max_redeliveries=2)
        message_id = world.connect("alice").send("requests", {"day": "x"}, properties={"mine": 1})
        world.works.pump()
        assert counts == [0, 1, 2]
        (message,) = world.exceptions()
        assert (message.body, message.message_id, str(message.identity)) == ({"day": "x"}, message_id, "alice@weather")
        assert dict(message.properties) == {
            "mine": 1,
            "exception_reason": "CF-BUS-045",
            "exception_text": "the delivery failed with ValueError",
            "exception_cause": "ValueError",
            "exception_destination": "requests",
            "exception_time": 1_000_000.0,
            "exception_attempts": 3,
            "exception_identity": "alice@weather",
        }
        assert world.peek("requests") == []


def test_a_denied_caller_s_message_keeps_the_code_of_the_denial_and_the_requester_gets_a_fault(tmp_path: Path) -> None:
    def denying(message: Message) -> None:
        raise AccessDenied(DENIED, user="alice")

    with running(tmp_path) as world:
        world.activate(denying)
        message_id = world.connect("alice").send("requests", "x", reply_to="replies")
        world.works.pump()
        assert world.exceptions()[0].properties["exception_reason"] == "CF-TESTBUS-010"
        (fault,) = world.peek("replies")
        assert fault.properties["connector_fault"] == "CF-TESTBUS-010"
        assert fault.body == {"code": "CF-TESTBUS-010", "text": "alice is in no allowed role"}
        assert (fault.correlation_id, type(fault.identity)) == (message_id, ServerPrincipal)


def test_naming_a_reply_queue_does_not_borrow_the_engine_s_right_to_send_there(tmp_path: Path) -> None:
    closed = {"inherit_defaults": False, "roles": {"sender": ["user:bob"]}}
    buses = {"weather": weather_bus(destinations={"requests": {}, "closed": closed})}
    with running(tmp_path, buses) as world:
        world.activate(failing)
        world.connect("alice").send("requests", "x", reply_to="closed")
        world.works.pump()
        assert world.peek("closed") == []
        assert len(world.exceptions()) == 1


def test_a_reply_that_the_caller_may_not_send_is_a_failed_delivery(tmp_path: Path) -> None:
    closed = {"inherit_defaults": False}
    buses = {"weather": weather_bus(destinations={"requests": {}, "closed": closed})}
    with running(tmp_path, buses) as world:
        world.activate(lambda message: "reply")
        world.connect("alice").send("requests", "x", reply_to="closed")
        world.works.pump()
        assert world.peek("closed") == []
        assert world.exceptions()[0].properties["exception_reason"] == "CF-BUS-020"


def test_redelivery_waits_for_its_delay(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(failing, max_redeliveries=1, redelivery_delay=30.0)
        world.connect("alice").send("requests", "x")
        assert world.works.pump() == 1
        world.advance(29.9)
        assert world.works.pump() == 0
        world.advance(0.1)
        assert world.works.pump() == 1
        assert len(world.exceptions()) == 1


def test_a_sender_that_has_vanished_is_a_failed_delivery_and_its_message_is_not_lost(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        called: list[Message] = []
        world.activate(called.append, max_redeliveries=1)
        world.connect("bob").send("requests", "x")
        del world.identity.users["bob"]
        world.works.pump()
        assert called == []
        (message,) = world.exceptions()
        assert message.properties["exception_attempts"] == 2
        assert message.properties["exception_reason"] == "CF-TESTBUS-001"


def test_a_handler_of_the_exception_destination_that_fails_does_not_spin(tmp_path: Path) -> None:
    exceptions = {"roles": {"receiver": ["user:server"]}, "inherit_defaults": False}
    buses = {"weather": weather_bus(exception_destination="dead", destinations={"requests": {}, "dead": exceptions})}
    with running(tmp_path, buses) as world:
        world.activate(failing)
        world.activate(failing, "dead")
        world.connect("alice").send("requests", "x")
        assert world.works.pump() == 2
        world.advance(60)
        assert world.works.pump() == 1
        assert world.adapter.run_command("show", {})["buses"][0]["destinations"][1]["in_delivery"] == 1


def test_a_work_manager_without_a_place_delays_the_delivery_only(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        delivered: list[Message] = []
        world.activate(delivered.append)
        world.works.reject = True
        world.connect("alice").send("requests", "x")
        world.works.reject = False
        assert world.works.pump() == 0
        world.advance(1.0)
        assert world.works.pump() == 1
        assert [message.delivery_count for message in delivered] == [0]


def test_after_deactivation_no_delivery_begins(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        stop = world.activate(lambda message: None)
        stop()
        stop()
        world.connect("alice").send("requests", "x")
        assert world.works.pump() == 0
        assert bodies(world.peek("requests")) == ["x"]


def test_deactivation_waits_for_the_delivery_under_way(tmp_path: Path) -> None:
    with running(tmp_path, threaded=True) as world:
        entered, leave = threading.Event(), threading.Event()

        def handler(message: Message) -> None:
            entered.set()
            leave.wait(30)

        stop = world.activate(handler)
        world.connect("alice").send("requests", "x")
        entered.wait(30)
        stopping = threading.Thread(target=stop)
        stopping.start()
        leave.set()
        stopping.join(30)
        assert world.adapter.run_command("show", {})["buses"][0]["destinations"][0]["in_delivery"] == 0


def test_an_activation_on_an_unknown_destination_fails_at_once(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(NameNotFound, match="CF-BUS-030"):
        world.activate(lambda message: None, "request")


# --- transacted delivery -------------------------------------------------------------------------------------------


def sending(world: World, *, then: Callable[[], Any]) -> Callable[[Message], Any]:
    def handler(message: Message) -> Any:
        world.connect("alice").send("uk", "from the handler")
        assert world.peek("uk") == [], "nobody sees it before the commit"
        return then()

    return handler


def test_a_transacted_delivery_s_sends_become_visible_with_its_commit(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(sending(world, then=lambda: "reply"), transacted=True)
        world.connect("alice").send("requests", "x", reply_to="replies")
        world.works.pump()
        assert (bodies(world.peek("uk")), bodies(world.peek("replies"))) == (["from the handler"], ["reply"])
        assert world.peek("requests") == []


def test_a_transacted_delivery_that_fails_leaves_nothing(tmp_path: Path) -> None:
    def fail() -> None:
        raise DeliveryError(DENIED, user="alice")

    with running(tmp_path) as world:
        world.activate(sending(world, then=fail), transacted=True, max_redeliveries=2)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert world.peek("uk") == []
        assert world.exceptions()[0].properties["exception_attempts"] == 3


def test_without_a_transaction_a_handler_s_sends_stay_when_it_fails(tmp_path: Path) -> None:
    def handler(message: Message) -> None:
        world.connect("alice").send("uk", "kept")
        failing(message)

    with running(tmp_path) as world:
        world.activate(handler)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert bodies(world.peek("uk")) == ["kept"]


def test_what_a_failing_transacted_handler_had_received_is_there_again(tmp_path: Path) -> None:
    def handler(message: Message) -> None:
        received = world.connect("alice").receive("uk", timeout=0)
        assert received is not None
        failing(message)

    with running(tmp_path) as world:
        world.connect("alice").send("uk", "stock")
        world.activate(handler, transacted=True)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert bodies(world.peek("uk")) == ["stock"]


def test_a_transacted_unit_reaches_coroutine_handlers(tmp_path: Path) -> None:
    async def handle() -> None:
        await asyncio.sleep(0)
        world.connect("alice").send("uk", "x")

    def deliver(message: Message) -> None:
        context = contextvars.copy_context()
        runner = threading.Thread(target=lambda: context.run(asyncio.run, handle()))
        runner.start()
        runner.join(30)
        failing(message)

    with running(tmp_path) as world:
        world.activate(deliver, transacted=True)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert world.peek("uk") == []
        assert len(world.exceptions()) == 1


def test_a_task_left_behind_can_t_send_in_a_unit_that_is_over(tmp_path: Path) -> None:
    left: list[contextvars.Context] = []
    with running(tmp_path) as world:
        world.activate(lambda message: left.append(contextvars.copy_context()), transacted=True)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        with pytest.raises(MessagingError, match="CF-BUS-037"):
            left[0].run(world.connect("alice").send, "uk", "late")
        assert world.peek("uk") == []


def test_sends_on_another_bus_are_not_part_of_the_unit(tmp_path: Path) -> None:
    def handler(message: Message) -> None:
        world.connect("alice", bus="other").send("log", "kept")
        failing(message)

    buses = {"weather": weather_bus(), "other": weather_bus(destinations={"log": {}})}
    with running(tmp_path, buses) as world:
        world.activate(handler, transacted=True)
        world.connect("alice").send("requests", "x")
        world.works.pump()
        message = world.connect("alice", bus="other").receive("log", timeout=0)
        assert message is not None
        assert message.body == "kept"


@pytest.fixture
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """An activation's end waits for no delivery."""
    monkeypatch.setattr(resource_adapter, "DEACTIVATION_GRACE", 0.0)


@pytest.mark.usefixtures("no_grace")
def test_a_delivery_that_waited_for_its_thread_until_the_activation_ended_is_not_begun(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        seen: list[Message] = []
        end = world.activate(seen.append)
        world.connect("alice").send("requests", "x")
        end()
        world.works.pump()
        assert seen == []
        assert bodies(world.peek("requests")) == ["x"]
        assert world.exceptions() == []


@pytest.mark.usefixtures("no_grace")
def test_a_failure_after_the_activation_s_end_does_not_count_against_the_message(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        ends: list[Callable[[], None]] = []

        def handler(message: Message) -> None:
            ends.pop()()  # while it runs its activation ends, and with it what it would have needed
            raise ValueError("the pool is closed")

        ends.append(world.activate(handler, max_redeliveries=0))
        world.connect("alice").send("requests", "x")
        world.works.pump()
        assert [(each.body, each.delivery_count) for each in world.peek("requests")] == [("x", 0)]
        assert world.exceptions() == []
