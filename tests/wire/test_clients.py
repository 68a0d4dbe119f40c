"""A client of another make sends and receives on the bus, and is refused where it has to be (CHAIN-1, CHAIN-5)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_wire import Wire, receive, require_proton, wire

pytestmark = pytest.mark.amqp

require_proton()
from proton import ConnectionException, Message  # noqa: E402
from proton.utils import LinkDetached, SendException  # noqa: E402


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Wire]:
    with wire(tmp_path) as started:
        yield started


@pytest.mark.parametrize("body", ["Sunny", b"\x00\xff", {"location": "UK", "n": 1}, ["a", 2.5, None], 7, True, None])
def test_what_one_client_sends_another_receives_as_it_was(running: Wire, body: Any) -> None:
    sender = running.connect("alice").create_sender("requests")
    sent = Message(body=body, id="M1", subject="forecast", properties={"day": "Tue", "n": 3}, durable=True, priority=7)
    sender.send(sent)
    got = receive(running.connect("bob"), "requests")
    assert (got.body, got.id, got.subject, got.properties) == (body, "M1", "forecast", {"day": "Tue", "n": 3})
    assert (got.durable, got.priority, got.delivery_count) == (True, 7, 0)


def test_an_application_in_process_and_a_client_on_the_wire_understand_each_other(running: Wire) -> None:
    client = running.connect("alice")
    client.create_sender("requests").send(
        Message(body={"location": "UK"}, properties={"day": "Tue"}, reply_to="private")
    )
    with running.in_process("bob") as connection:
        message = connection.receive("requests", timeout=10)
        assert (message.body, dict(message.properties), message.reply_to) == (
            {"location": "UK"},
            {"day": "Tue"},
            "private",
        )
        assert str(message.identity) == "alice@weather"
    with running.in_process("alice") as connection:
        connection.send("requests", {"condition": "Sunny"}, properties={"n": 1}, correlation_id="C1")
    got = receive(running.connect("bob"), "requests")
    assert (got.body, got.properties, got.correlation_id) == ({"condition": "Sunny"}, {"n": 1}, "C1")


def test_a_request_is_answered_on_the_clients_own_temporary_queue(running: Wire) -> None:
    client = running.connect("alice")
    replies = client.create_receiver(None, credit=1, dynamic=True)
    address = replies.link.remote_source.address
    client.create_sender("requests").send(Message(body="ask", id="Q1", reply_to=address))
    server = running.connect("bob")
    request = receive(server, "requests")
    server.create_sender(None).send(Message(body="answer", address=request.reply_to, correlation_id=request.id))
    answer = replies.receive(timeout=10)
    assert (answer.body, answer.correlation_id) == ("answer", "Q1")


def test_nobody_else_consumes_from_a_temporary_queue(running: Wire) -> None:
    address = running.connect("alice").create_receiver(None, dynamic=True).link.remote_source.address
    with pytest.raises(LinkDetached, match="CF-BUS-023"):
        running.connect("bob").create_receiver(address)


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("nobody", "x")])
def test_a_wrong_password_and_an_unknown_user_do_not_get_in(running: Wire, user: str, password: str) -> None:
    with pytest.raises(ConnectionException, match=r"(?i)authentication|unauthorized"):
        running.connect(user, password)


def test_who_gives_no_name_does_not_get_in(running: Wire) -> None:
    with pytest.raises(ConnectionException):
        running.connect(None)


def test_who_is_not_in_the_connector_role_is_told_so(running: Wire) -> None:
    with pytest.raises(ConnectionException, match="CF-BUS-012"):
        running.connect("mallory")


def test_without_the_sender_role_the_link_is_refused_and_the_connection_goes_on(running: Wire) -> None:
    client = running.connect("bob")
    with pytest.raises(LinkDetached, match="CF-BUS-020"):
        client.create_sender("private")
    client.create_sender("requests").send(Message(body="still here"))


@pytest.mark.parametrize(("browse", "code"), [(False, "CF-BUS-021"), (True, "CF-BUS-022")])
def test_without_receiver_or_browser_role_the_link_is_refused(running: Wire, browse: bool, code: str) -> None:
    from proton.reactor import Copy

    with pytest.raises(LinkDetached, match=code):
        running.connect("alice").create_receiver("private", options=Copy() if browse else None)


@pytest.mark.parametrize("selector", ["JMSPriority > 3", "= nothing ="], ids=["a selector", "one that is none"])
@pytest.mark.parametrize(("browse", "code"), [(False, "CF-BUS-021"), (True, "CF-BUS-022")])
def test_rights_come_before_selectors(running: Wire, browse: bool, code: str, selector: str) -> None:
    from proton.reactor import Copy, Selector

    options = [Selector(selector), *([Copy()] if browse else [])]
    with pytest.raises(LinkDetached, match=code):
        running.connect("alice").create_receiver("private", options=options)


def test_of_a_topic_space_as_well(tmp_path: Path) -> None:
    from proton.reactor import Selector

    news = '[buses.weather.destinations.news]\ntype = "topic-space"\ninherit_defaults = false\n'
    with wire(tmp_path, extra=news) as running, pytest.raises(LinkDetached, match="CF-BUS-021"):
        running.connect("alice").create_receiver("news", options=Selector("= nothing ="))


def test_an_unknown_destination_is_not_found(running: Wire) -> None:
    client = running.connect("alice")
    for attempt in (client.create_sender, client.create_receiver):
        with pytest.raises(LinkDetached, match="CF-BUS-030") as refused:
            attempt("reqests")
        assert refused.value.condition == "amqp:not-found"


def test_on_an_anonymous_relay_each_message_is_checked_and_the_link_lives_on(running: Wire) -> None:
    relay = running.connect("bob").create_sender(None)
    relay.send(Message(body="fine", address="requests"))
    for address, condition, code in (
        ("private", "amqp:unauthorized-access", "CF-BUS-020"),
        ("nowhere", "amqp:not-found", "CF-BUS-030"),
        ("requests/nothing", "amqp:not-found", "CF-BUS-030"),
        (None, "amqp:precondition-failed", "CF-BUS-153"),
        ("", "amqp:precondition-failed", "CF-BUS-153"),
    ):
        assert code in rejection(relay, Message(body="refused", address=address), condition)
    relay.send(Message(body="fine again", address="requests"))
    client = running.connect("alice")
    assert [receive(client, "requests").body for _ in range(2)] == ["fine", "fine again"]


def test_to_say_whom_a_message_is_from_is_not_needed_and_its_receiver_is_told_by_the_server(running: Wire) -> None:
    running.connect("alice").create_sender("requests").send(Message(body="x"))
    told = receive(running.connect("bob"), "requests").instructions
    named = {str(name): value for name, value in told.items()}
    assert (named["x-opt-connector-user"], named["x-opt-connector-realm"]) == ("alice", "weather")


def rejection(sender: Any, message: Message, condition: str) -> str:
    """Why a message is rejected; fails the test where it is not, or as something else."""
    delivery = sender.link.send(message)
    sender.connection.wait(lambda: delivery.settled, timeout=10)
    assert delivery.remote_state == delivery.REJECTED
    assert delivery.remote.condition.name == condition
    return str(delivery.remote.condition.description)


def test_a_full_destination_refuses_a_message_and_the_link_lives_on(running: Wire) -> None:
    sender, other = (running.connect(user).create_sender("narrow") for user in ("alice", "bob"))
    sender.send(Message(body="fits"))
    for each, body in ((sender, "no place"), (other, "none here either"), (sender, "x" * 2000)):
        with pytest.raises(SendException):
            each.send(Message(body=body))
    with running.in_process("alice") as connection:
        assert connection.receive("narrow", timeout=10).body == "fits"  # gone for good when this returns
    other.send(Message(body="fits again"))
    assert receive(running.connect("alice"), "narrow").body == "fits again"


def test_a_forged_sender_is_refused(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    assert "CF-BUS-152" in rejection(sender, Message(body="I am bob", user_id=b"bob"), "amqp:unauthorized-access")
    sender.send(Message(body="I am alice", user_id=b"alice"))
    assert receive(running.connect("bob"), "requests").body == "I am alice"


def test_browsing_takes_nothing(running: Wire) -> None:
    from proton.reactor import Copy

    sender = running.connect("alice").create_sender("private")
    for number in range(3):
        sender.send(Message(body=number))
    looking = running.connect("carol").create_receiver("private", credit=10, options=Copy())
    assert [looking.receive(timeout=10).body for _ in range(3)] == [0, 1, 2]
    client = running.connect("bob")
    assert [receive(client, "private").body for _ in range(3)] == [0, 1, 2]


def test_a_released_message_goes_back_to_its_place(running: Wire) -> None:
    sender = running.connect("alice").create_sender("requests")
    for number in range(3):
        sender.send(Message(body=number))
    receiver = running.connect("bob").create_receiver("requests", credit=1)
    assert receiver.receive(timeout=10).body == 0
    receiver.release(delivered=False)
    receiver.close()
    client = running.connect("bob")
    got = [receive(client, "requests") for _ in range(3)]
    assert [(each.body, each.delivery_count) for each in got] == [(0, 0), (1, 0), (2, 0)]


def test_a_failed_message_comes_again_with_its_count_and_then_goes_to_the_exception_destination(running: Wire) -> None:
    running.connect("alice").create_sender("requests").send(Message(body="poison"))
    receiver = running.connect("bob").create_receiver("requests", credit=1)
    for count in range(2):
        message = receiver.receive(timeout=10)
        assert (message.body, message.delivery_count) == ("poison", count)
        receiver.fetcher.unsettled[0].local.failed = True
        receiver.release(delivered=True)
        receiver.close()
        receiver = running.connect("bob").create_receiver("requests", credit=1)
    buried = running.bus.engine.destinations.get("_SYSTEM.Exception.Destination.weather").queue.receive(10)
    assert buried is not None
    properties = running.bus.engine.fetch("", buried).header.properties
    assert (properties["exception_reason"], properties["exception_attempts"]) == ("CF-BUS-155", 2)


def test_a_rejected_message_goes_there_at_once(running: Wire) -> None:
    running.connect("alice").create_sender("requests").send(Message(body="no"))
    receiver = running.connect("bob").create_receiver("requests", credit=1)
    receiver.receive(timeout=10)
    receiver.reject()
    receiver.close()
    assert running.bus.engine.destinations.get("_SYSTEM.Exception.Destination.weather").queue.receive(10) is not None


def test_what_a_client_had_out_when_it_was_lost_comes_again(running: Wire) -> None:
    running.connect("alice").create_sender("requests").send(Message(body="precious"))
    lost = running.connect("bob")
    assert lost.create_receiver("requests", credit=1).receive(timeout=10).body == "precious"
    lost.close()
    assert receive(running.connect("bob"), "requests").body == "precious"


def test_drain_is_answered(running: Wire) -> None:
    from proton import Timeout

    receiver = running.connect("bob").create_receiver("requests", credit=0)
    receiver.link.drain(5)
    receiver.connection.wait(lambda: receiver.link.credit == 0, timeout=10)
    running.connect("alice").create_sender("requests").send(Message(body="later"))
    with pytest.raises(Timeout):
        receiver.connection.wait(lambda: receiver.fetcher.has_message, timeout=0.2)


def test_a_message_of_a_megabyte_and_more_comes_through_in_frames(running: Wire) -> None:
    body = bytes(range(256)) * 8192
    running.connect("alice").create_sender("requests").send(Message(body=body))
    assert bytes(receive(running.connect("bob"), "requests").body) == body


def test_a_secured_bus_takes_no_clients_over_a_plain_chain_unless_told_to(tmp_path: Path) -> None:
    with wire(tmp_path, permitted='"tls-only"') as running, pytest.raises(ConnectionException, match="CF-BUS-160"):
        running.connect("alice")


def test_where_everyone_may_connect_a_client_without_name_and_without_sasl_gets_in(tmp_path: Path) -> None:
    everyone = '["Everyone"]'
    extra = '[buses.weather.destinations.public]\nroles = { sender = ["Everyone"], receiver = ["Everyone"] }\n'
    with wire(tmp_path, connectors=everyone, extra=extra) as running:
        for options in tuple[dict[str, Any], ...](({}, {"sasl_enabled": False})):
            client = running.connect(None, **options)
            client.create_sender("public").send(Message(body="from nobody"))
            with running.in_process("alice") as connection:
                assert str(connection.receive("public", timeout=10).identity) == "unauthenticated"
            with pytest.raises(LinkDetached, match="CF-BUS-020"):
                client.create_sender("requests")
