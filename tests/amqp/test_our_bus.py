"""An application's connection to a bus of another process: the same as to the one in its own."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client, break_all, client
from support_wire import Wire, require_proton, wire

from connector.errors import (
    AccessDenied,
    ConnectionFailed,
    LoginRefused,
    MessagingError,
    NameNotFound,
    RequestFailed,
    SignOnError,
)
from connector.spi import Message, PropertyValue
from connector_bus.engine.failure import FAULT_PROPERTY

pytestmark = pytest.mark.amqp


@pytest.mark.parametrize("body", [None, "text, grüße", b"\x00bytes", {"a": [1, 2.5, None, True]}, [], 7, "x" * 300_000])
def test_what_is_sent_is_received(shop: Client, body: Any) -> None:
    with shop.connect() as connection:
        properties: dict[str, PropertyValue] = {"day": "Tuesday", "number": 3, "half": 0.5, "yes": True}
        sent = connection.send(
            "requests", body, properties=properties, reply_to="private", correlation_id="c1", priority=7, group="g"
        )
        message = connection.receive("requests", 5)
    assert message is not None
    assert message.body == body
    assert type(message.body) is type(body)
    assert dict(message.properties) == properties
    assert message.message_id == sent
    assert (message.reply_to, message.correlation_id, message.priority, message.group) == ("private", "c1", 7, "g")
    assert str(message.identity) == "alice@weather"


def test_a_name_that_no_host_can_have_is_one_more_endpoint_that_does_not_answer(bus: Wire, tmp_path: Path) -> None:
    unfit, good = "a..b:5672", f"127.0.0.1:{bus.port()}"
    with client(tmp_path / "both", bus.port(), provider_endpoints=[unfit, good]) as both, both.connect() as connection:
        connection.send("requests", "hello")
    with client(tmp_path / "none", bus.port(), provider_endpoints=[unfit], connect_attempts=1) as none:
        with pytest.raises(ConnectionFailed, match=r"CF-AMQP-010.*a\.\.b:5672.*can't be the name of a host"):
            none.connect()


def test_a_message_says_who_sent_it_whatever_its_way(bus: Wire, shop: Client) -> None:
    with bus.in_process("bob") as inside:
        inside.send("requests", "from the process")
    with shop.connect("alice") as connection:
        message = connection.receive("requests", 5)
        connection.send("requests", "over the wire")
    with bus.in_process("bob") as inside:
        other = inside.receive("requests", 5)
    assert message is not None
    assert other is not None
    assert (str(message.identity), str(other.identity)) == ("bob@weather", "alice@weather")


def test_nothing_comes_of_an_empty_destination_and_nothing_is_lost_by_that(bus: Wire, shop: Client) -> None:
    with shop.connect() as connection:
        assert connection.receive("requests", 0) is None
        assert connection.receive("requests", 0.05) is None
        with bus.in_process("bob") as inside:
            inside.send("requests", "later")
            assert inside.receive("requests", 5) is not None, "the wait that is over has left no credit behind"
        connection.send("requests", "own")
        assert connection.receive("requests", 0) is not None


def test_a_wait_without_limit_ends_with_a_message(bus: Wire, shop: Client) -> None:
    got: list[Message | None] = []

    def wait() -> None:
        with shop.connect() as connection:
            got.append(connection.receive("requests"))

    waiting = threading.Thread(target=wait)
    waiting.start()
    with bus.in_process("bob") as inside:
        inside.send("requests", "at last")
    waiting.join(10)
    assert [message and message.body for message in got] == ["at last"]


def test_browsing_takes_nothing(shop: Client) -> None:
    with shop.connect() as connection:
        for number in range(5):
            connection.send("requests", number)
        assert [message.body for message in connection.browse("requests")] == [0, 1, 2, 3, 4]
        assert [message.body for message in connection.browse("requests")] == [0, 1, 2, 3, 4]
        assert [connection.receive("requests", 0).body for _ in range(5)] == [0, 1, 2, 3, 4]  # type: ignore[union-attr]
        assert list(connection.browse("requests")) == []


def _answer(bus: Wire, reply: Any, count: int = 1) -> threading.Thread:
    def serve() -> None:
        with bus.in_process("bob") as inside:
            for _ in range(count):
                request = inside.receive("requests", 10)
                assert request is not None
                inside.send(request.reply_to, reply(request.body), correlation_id=request.message_id)

    thread = threading.Thread(target=serve)
    thread.start()
    return thread


def test_a_request_gets_its_reply(bus: Wire, shop: Client) -> None:
    serving = _answer(bus, lambda body: {"twice": 2 * body}, 2)
    with shop.connect() as connection:
        assert connection.request("requests", 21, timeout=10).body == {"twice": 42}
        assert connection.request("requests", 4, timeout=10).body == {"twice": 8}
    serving.join(10)


def test_a_late_reply_is_not_taken_for_the_next_ones(bus: Wire, shop: Client) -> None:
    with shop.connect() as connection:
        with pytest.raises(MessagingError, match="CF-AMQP-036"):
            connection.request("requests", "nobody is there", timeout=0.05)
        with bus.in_process("bob") as inside:
            late = inside.receive("requests", 5)
        assert late is not None
        serving = _answer(bus, lambda _: "in time")
        assert connection.request("requests", "somebody is there", timeout=10).body == "in time"
    serving.join(10)


def test_a_failed_request_is_the_requesters_error(bus: Wire, shop: Client) -> None:
    def reject() -> None:
        receiver = bus.connect("bob").create_receiver("requests", credit=1)
        receiver.receive(10)
        receiver.reject()
        receiver.close()  # sends it

    rejecting = threading.Thread(target=reject)
    rejecting.start()
    with shop.connect() as connection, pytest.raises(RequestFailed, match=r"CF-AMQP-037.*CF-BUS-155"):
        connection.request("requests", "fails", timeout=10)
    rejecting.join(10)


def test_nobody_but_the_engine_can_say_that_a_request_has_failed(bus: Wire, shop: Client) -> None:
    fault = {"code": "CF-BUS-155", "text": "says bob"}
    serving = _answer(bus, lambda _: Message(fault, {FAULT_PROPERTY: "CF-BUS-155"}))
    with shop.connect() as connection:
        assert connection.request("requests", 1, timeout=10).body == fault
    serving.join(10)


@pytest.mark.parametrize(
    ("act", "error", "ours", "theirs"),
    [
        (lambda c: c.send("private", 1), AccessDenied, "CF-AMQP-020", "CF-BUS-020"),
        (lambda c: c.receive("private", 0), AccessDenied, "CF-AMQP-020", "CF-BUS-021"),
        (lambda c: c.browse("private"), AccessDenied, "CF-AMQP-020", "CF-BUS-022"),
        (lambda c: c.send("nowhere", 1), NameNotFound, "CF-AMQP-021", "CF-BUS-030"),
        (lambda c: c.receive("nowhere", 0), NameNotFound, "CF-AMQP-021", "CF-BUS-030"),
    ],
)
def test_what_the_bus_refuses_has_our_code_with_its_own_in_it(
    shop: Client, act: Any, error: type[Exception], ours: str, theirs: str
) -> None:
    with shop.connect("bob" if theirs == "CF-BUS-020" else "alice") as connection:
        with pytest.raises(error, match=ours) as caught:
            act(connection)
        assert theirs in str(caught.value)
        connection.send("requests", "the connection goes on")


def test_a_body_that_no_message_can_have_is_refused_before_it_is_sent(shop: Client) -> None:
    with shop.connect() as connection:
        for body in (object(), {1: 2}, {"a": {1, 2}}, 2**70, [b"bytes within"]):
            with pytest.raises(MessagingError, match="CF-AMQP-033"):
                connection.send("requests", body)
        with pytest.raises(MessagingError, match="CF-AMQP-038"):
            connection.send("requests", 1, time_to_live=0)
        connection.send("requests", "good")


def test_a_wrong_password_is_refused_and_not_shown(shop: Client) -> None:
    with pytest.raises(LoginRefused, match="CF-AMQP-012") as caught:
        shop.connect("alice", "not the password")
    assert "not the password" not in str(caught.value)


def test_who_is_not_in_the_connector_role_hears_it_from_the_bus(shop: Client) -> None:
    with pytest.raises(AccessDenied, match=r"CF-AMQP-024.*CF-BUS-012"):
        shop.connect("mallory")


def test_nobody_is_told_that_the_bus_wants_a_user(shop: Client) -> None:
    with pytest.raises(SignOnError, match=r"CF-AMQP-013.*PLAIN"):
        shop.connect(None)


def test_a_password_is_not_sent_in_plain_text_unless_that_is_allowed(bus: Wire, tmp_path: Path) -> None:
    with (
        client(tmp_path / "careful", bus.port(), allow_plain_passwords=False) as careful,
        pytest.raises(SignOnError, match="CF-AMQP-014"),
    ):
        careful.connect()


def test_plain_passwords_are_warned_of(bus: Wire, shop: Client, caplog: pytest.LogCaptureFixture) -> None:
    with shop.connect(), shop.connect("bob"):
        pass
    warnings = [record.getMessage() for record in caplog.records if record.name == "connector_amqp"]
    assert len([text for text in warnings if "plain text" in text]) == 1


def test_nobody_gets_in_where_everyone_may(tmp_path: Path) -> None:
    require_proton()
    with (
        wire(tmp_path, connectors='["Everyone"]') as running,
        client(tmp_path / "shop", running.port()) as shop,
        shop.connect(None) as connection,
    ):
        with pytest.raises(AccessDenied, match="CF-BUS-020"):
            connection.send("requests", "hello")


def test_a_connection_that_breaks_in_use_says_so_and_the_next_one_is_good(bus: Wire, shop: Client) -> None:
    with shop.connect() as connection:
        connection.send("requests", 1)
        break_all(bus)
        with pytest.raises(ConnectionFailed, match="CF-AMQP-023"):
            connection.receive("requests", 5)
    with shop.connect() as connection:
        message = connection.receive("requests", 5)
        assert message is not None


def test_the_first_endpoint_that_answers_is_taken(bus: Wire, tmp_path: Path) -> None:
    endpoints = ["127.0.0.1:1", f"127.0.0.1:{bus.port()}"]
    with client(tmp_path / "shop", 0, provider_endpoints=endpoints) as shop, shop.connect() as connection:
        connection.send("requests", 1)


def test_where_no_endpoint_answers_all_are_named(tmp_path: Path) -> None:
    require_proton()
    started = time.monotonic()
    with client(tmp_path / "shop", 1, provider_endpoints=["127.0.0.1:1", "[::1]:1"], connect_attempts=2) as shop:
        with pytest.raises(ConnectionFailed, match=r"CF-AMQP-010.*127.0.0.1:1.*\[::1\]:1"):
            shop.connect()
    assert time.monotonic() - started > 0.2, "there is a pause between rounds"


def test_many_destinations_share_a_connection_and_old_links_go(bus: Wire, tmp_path: Path) -> None:
    destinations = "\n".join(f"[buses.weather.destinations.d{n}]" for n in range(40))
    second = tmp_path / "second"
    second.mkdir()
    with wire(second, extra=destinations) as running, client(tmp_path / "shop", running.port()) as shop:
        with shop.connect() as connection:
            for number in range(40):
                connection.send(f"d{number}", number)
            for number in range(40):
                message = connection.receive(f"d{number}", 5)
                assert message is not None
                assert message.body == number
            assert running.listeners.clients() == {"InboundBasicMessaging": 1}


def test_what_the_broker_says_of_itself_is_read_once(shop: Client) -> None:
    # All readers share the library's cursor: of two threads that read at one moment one would find nothing, and the
    # sender of its message would be nobody (the kit's IN-SEC-002 has met that now and then).
    with shop.connect() as connection:
        wire: Any = connection._lease.physical.wire  # type: ignore[attr-defined]
        assert wire.peer_properties["product"]
        assert wire.peer_properties is wire.peer_properties


def test_a_message_for_a_thread_that_is_interrupted_just_before_it_gets_it_goes_back(
    bus: Wire, shop: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted(Future[Any]):
        """Has the message, and the thread is interrupted before it looks at it."""

        def result(self, timeout: float | None = None) -> Any:
            super().result(timeout)
            monkeypatch.undo()
            Interrupted.result = Future.result  # type: ignore[method-assign]
            raise KeyboardInterrupt

    with shop.connect() as connection:
        connection.send("requests", "tea")
        monkeypatch.setattr("connector_amqp.loop.Future", Interrupted)
        with pytest.raises(KeyboardInterrupt):
            connection.receive("requests", 5)
        message = connection.receive("requests", 5)
        assert message is not None
        assert message.body == "tea"
