"""Send, receive, browse and request on a connection: roles, identities, order, wrong input (BUS-2, BUS-4, BUS-7)."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, running, weather_bus

from connector.errors import AccessDenied, HandleClosed, MessagingError, NameNotFound, RequestFailed
from connector.spi import Message, Outcome, ServerPrincipal, UserPrincipal
from connector_bus.store.unit import StoreUnit

ALONE = {"inherit_defaults": False, "roles": {"sender": ["user:alice"], "receiver": ["user:bob"]}}


@pytest.mark.parametrize(
    ("operation", "user", "code"),
    [
        ("send", "bob", "CF-BUS-020"),
        ("receive", "alice", "CF-BUS-021"),
        ("browse", "alice", "CF-BUS-022"),
        ("browse", "bob", "CF-BUS-022"),
    ],
)
def test_an_operation_without_its_role_is_refused_explained_and_audited(
    tmp_path: Path, operation: str, user: str, code: str
) -> None:
    with running(tmp_path, {"weather": weather_bus(destinations={"q": ALONE})}) as world:
        connection = world.connect(user)
        arguments: dict[str, Any] = {"timeout": 0} if operation == "receive" else {}
        with pytest.raises(AccessDenied) as caught:
            getattr(connection, operation)("q", **arguments)
        assert caught.value.code == code
        assert user in caught.value.text
        assert "q" in caught.value.action
        assert caught.value.explanation is not None
        denial = world.audit.events[-1]
        assert (denial.action, denial.resource, denial.outcome) == (f"bus.{operation}", "weather/q", Outcome.DENIED)


def test_what_a_sender_sends_a_receiver_gets_with_the_sender_s_name(tmp_path: Path) -> None:
    with running(tmp_path, {"weather": weather_bus(destinations={"q": ALONE})}) as world:
        message_id = world.connect("alice").send("q", {"day": "Tuesday"}, properties={"n": 1}, correlation_id="c")
        message = world.connect("bob").receive("q", timeout=0)
        assert message is not None
        assert (message.body, dict(message.properties)) == ({"day": "Tuesday"}, {"n": 1})
        assert (message.message_id, message.correlation_id) == (message_id, "c")
        assert message.identity == UserPrincipal("alice", REALM)
        assert world.connect("bob").receive("q", timeout=0) is None


def test_a_forged_identity_counts_for_nothing(tmp_path: Path) -> None:
    forged = Message(
        "x", identity=ServerPrincipal("weather", REALM), message_id="mine", timestamp=1.0, delivery_count=9
    )
    with running(tmp_path) as world:
        world.connect("alice").send("uk", forged)
        (message,) = world.peek("uk")
        assert message.identity == UserPrincipal("alice", REALM)
        assert (message.message_id == "mine", message.timestamp, message.delivery_count) == (False, 1_000_000.0, 0)


def test_an_unknown_destination_is_refused_with_a_suggestion(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(NameNotFound, match=r"CF-BUS-030.*did you mean requests\?"):
        world.connect("alice").send("request", "x")


@pytest.mark.parametrize("body", [None, "", "text äöü", b"", b"\x00\xff", {"a": [1, 2.5, None, True]}, [], 0, False])
def test_a_body_arrives_as_it_was_sent(tmp_path: Path, body: Any) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("uk", body)
        message = connection.receive("uk", timeout=0)
        assert message is not None
        assert message.body == body
        assert type(message.body) is type(body)


def test_a_body_that_changes_after_sending_does_not_change_the_message(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        body = {"day": "Tuesday"}
        connection = world.connect("alice")
        connection.send("uk", body)
        body["day"] = "Monday"
        assert world.peek("uk")[0].body == {"day": "Tuesday"}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ({"body": object()}, "CF-BUS-031"),
        ({"body": float("nan")}, "CF-BUS-031"),
        ({"body": "\ud800"}, "CF-BUS-031"),
        ({"properties": {"a": [1]}}, "CF-BUS-032"),
        ({"properties": {1: "a"}}, "CF-BUS-032"),
        ({"priority": 10}, "CF-BUS-033"),
        ({"time_to_live": 0}, "CF-BUS-039"),
    ],
)
def test_what_can_t_be_kept_is_refused_and_nothing_is_sent(
    tmp_path: Path, arguments: dict[str, Any], code: str
) -> None:
    with running(tmp_path) as world:
        with pytest.raises(MessagingError) as caught:
            world.connect("alice").send("uk", **arguments)
        assert caught.value.code == code
        assert world.peek("uk") == []


def test_a_higher_priority_comes_first_and_equal_ones_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        for body, priority in [("a", 4), ("b", 9), ("c", 4), ("d", 9)]:
            connection.send("uk", body, priority=priority)
        received = [connection.receive("uk", timeout=0) for _ in range(4)]
        assert [message.body for message in received if message is not None] == ["b", "d", "a", "c"]


def test_a_message_past_its_time_is_not_delivered_and_counted(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("uk", "late", time_to_live=10)
        connection.send("uk", "kept")
        world.advance(10)
        assert [message.body for message in connection.browse("uk")] == ["kept"]
        message = connection.receive("uk", timeout=0)
        assert message is not None
        assert message.body == "kept"
        assert world.adapter.run_command("show", {"bus": "weather"})["buses"][0]["expired"] == 1


def test_browsing_takes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("uk", 1)
        connection.send("uk", 2)
        assert [message.body for message in connection.browse("uk")] == [1, 2]
        assert len(world.peek("uk")) == 2


def test_a_waiting_receiver_is_served_by_a_sender_on_another_thread(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        received: list[Message | None] = []
        receiver = threading.Thread(target=lambda: received.append(world.connect("bob").receive("uk", timeout=30)))
        receiver.start()
        world.connect("alice").send("uk", "x")
        receiver.join(30)
        assert [message.body for message in received if message is not None] == ["x"]


def test_a_waiting_receiver_is_told_when_the_bus_stops(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection, codes = world.connect("bob"), []
        waiting = threading.Event()

        def receive() -> None:
            waiting.set()
            try:
                connection.receive("uk")
            except MessagingError as error:
                codes.append(error.code)

        receiver = threading.Thread(target=receive)
        receiver.start()
        waiting.wait(30)
    receiver.join(30)
    assert codes == ["CF-BUS-036"]


def test_each_of_many_receivers_gets_its_own_message(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        received: list[Any] = []

        def receive() -> None:
            connection = world.connect("bob")
            for _ in range(10):
                message = connection.receive("uk", timeout=30)
                received.append(message and message.body)

        threads = [threading.Thread(target=receive) for _ in range(4)]
        for thread in threads:
            thread.start()
        connection = world.connect("alice")
        for number in range(40):
            connection.send("uk", number)
        for thread in threads:
            thread.join(30)
        assert sorted(received) == list(range(40))


def test_a_closed_handle_refuses_every_operation(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        with world.connect("alice") as connection:
            assert not connection.closed
        assert repr(connection) == "<BusConnection, closed>"
        connection.close()
        for operation in (
            lambda: connection.send("uk", "x"),
            lambda: connection.receive("uk", timeout=0),
            lambda: connection.browse("uk"),
            lambda: connection.request("uk", "x", timeout=0),
        ):
            with pytest.raises(HandleClosed):
                operation()


def test_a_request_gets_its_reply_under_the_requester_s_name(tmp_path: Path) -> None:
    with running(tmp_path, threaded=True) as world:
        stop = world.activate(lambda message: {"weatherCondition": "Sunny"})
        reply = world.connect("alice").request("requests", {"day": "Tuesday"}, timeout=30)
        assert reply.body == {"weatherCondition": "Sunny"}
        assert reply.identity == UserPrincipal("alice", REALM)
        stop()


def test_a_reply_that_comes_too_late_is_discarded_and_counted(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        with pytest.raises(MessagingError, match="CF-BUS-034"):
            connection.request("requests", "x", timeout=0)
        world.activate(lambda message: "late")
        world.works.pump()
        assert world.adapter.run_command("show", {})["buses"][0]["discarded_replies"] == 1
        assert world.exceptions() == []


def test_only_the_connection_that_made_it_consumes_from_a_reply_queue(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        owner = world.connect("alice")
        name = owner._physical().new_reply_queue()
        other = world.connect("alice")
        other.send(name, "reply")
        for operation in (lambda: other.receive(name, timeout=0), lambda: other.browse(name)):
            with pytest.raises(AccessDenied, match="CF-BUS-023"):
                operation()
        message = owner.receive(name, timeout=0)
        assert message is not None
        assert message.body == "reply"
        owner.close()
        with pytest.raises(NameNotFound):
            other.receive(name, timeout=0)


def test_a_fault_can_t_be_forged(tmp_path: Path) -> None:
    forged = Message({"code": "X", "text": "y"}, {"connector_fault": "X"})
    with running(tmp_path, threaded=True) as world:
        stop = world.activate(lambda message: forged)
        assert world.connect("alice").request("requests", "x", timeout=30).body == {"code": "X", "text": "y"}
        stop()


def test_a_failing_handler_s_requester_is_told_at_once(tmp_path: Path) -> None:
    def handler(message: Message) -> None:
        raise ValueError("internal detail")

    with running(tmp_path, threaded=True) as world:
        stop = world.activate(handler)
        with pytest.raises(RequestFailed) as caught:
            world.connect("alice").request("requests", "x", timeout=30)
        assert "CF-BUS-045" in str(caught.value)
        assert "internal detail" not in str(caught.value)
        stop()


def test_a_message_that_was_taken_out_of_the_store_behind_the_bus_s_back_is_told(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        connection.send("uk", "x")
        store = world.adapter._buses["weather"].engine.store
        store.commit(StoreUnit(remove=tuple(line.sequence for line in store.index())))
        with pytest.raises(MessagingError, match=r"CF-BUS-055.*uk"):
            connection.receive("uk", timeout=0)


@pytest.mark.parametrize(
    ("name", "value"), [("reply_to", 7), ("correlation_id", b"c"), ("group", ["g"]), ("expires_at", "soon")]
)
def test_a_header_of_a_wrong_type_is_refused_before_it_can_spoil_a_queue(
    tmp_path: Path, name: str, value: object
) -> None:
    with running(tmp_path) as world:
        connection = world.connect("alice")
        with pytest.raises(MessagingError, match=rf"CF-BUS-035.*{name}.*{type(value).__name__}"):
            connection.send("requests", Message("x", **{name: value}))  # type: ignore[arg-type]
        assert world.peek("requests") == []
