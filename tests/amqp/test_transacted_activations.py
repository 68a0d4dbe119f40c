"""Transacted handlers of a broker elsewhere: message, reply and what they send are one transaction there (FLOW-8)."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support_amqp import Client, break_all, client
from support_amqp_activations import Calls, eventually, serving, state
from support_rabbitmq import LETTERS, RabbitMQ, password_of
from support_wire import Wire, require_proton, wire

from connector_amqp.coordinator import Coordinator

pytestmark = pytest.mark.amqp

REFERENCE = """
[references."jms/out"]
bind = "jms/remote"
res_auth = "Container"
alias = "consumer"
[references."jms/as-told"]
bind = "jms/remote"
res_auth = "Application"
"""
EXCEPTIONS = "_SYSTEM.Exception.Destination.weather"


def serving_transacted(
    bus: Wire, folder: Path, behaviour: Any, **more: Any
) -> AbstractContextManager[tuple[Client, Calls]]:
    """A transacted handler, with a connection factory to the same broker as the same user."""
    given: dict[str, Any] = {"references": REFERENCE, "remote": {"transactions": True}, "transactions": True} | more
    return serving(folder, bus.port(), behaviour, transacted=True, **given)


def at_rest(bus: Wire, destination: str = "requests") -> list[Any]:
    """The bodies of the messages there, in delivery or not."""
    store = bus.bus.engine.store
    found = [store.read(line.sequence) for line in store.index() if line.destination == destination]
    return [stored.message().body for stored in found if stored is not None]


def test_what_the_handler_sends_is_there_once_it_has_succeeded_and_not_before(bus: Wire, tmp_path: Path) -> None:
    seen: list[Any] = []

    def forward(message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", f"forwarded {message.body}")
        seen.append(at_rest(bus, "narrow"))

    with serving_transacted(bus, tmp_path / "shop", forward) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert calls.wait_for(1)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, "narrow") == ["forwarded one"]
    assert seen == [[]]


def test_of_a_handler_that_fails_nothing_stays_and_the_message_comes_again(bus: Wire, tmp_path: Path) -> None:
    def fail_first(message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", f"attempt {context.delivery_count}")
        if context.delivery_count == 0:
            raise ValueError("no")

    with serving_transacted(bus, tmp_path / "shop", fail_first) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert calls.wait_for(2)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, "narrow") == ["attempt 1"]
    assert [failures for _, _, failures in calls.seen] == [0, 1]


def test_what_the_handler_receives_goes_back_with_its_failure(bus: Wire, tmp_path: Path) -> None:
    received: list[Any] = []

    def take(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            found = connection.receive("narrow", 5)
            received.append(found and found.body)
        if context.delivery_count == 0:
            raise ValueError("no")

    with serving_transacted(bus, tmp_path / "shop", take) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("narrow", "only one")
            connection.send("requests", "one")
        assert calls.wait_for(2)
        assert eventually(lambda: not at_rest(bus) and not at_rest(bus, "narrow"))
    assert received == ["only one", "only one"]


def test_a_commit_that_is_refused_counts_as_a_failure_and_ends_in_the_exception_destination(
    bus: Wire, tmp_path: Path
) -> None:
    def overfill(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", "one")
            connection.send("narrow", "two")

    with serving_transacted(bus, tmp_path / "shop", overfill) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "bad")
        assert calls.wait_for(2)
        assert eventually(lambda: at_rest(bus, EXCEPTIONS) == ["bad"])
    assert at_rest(bus, "narrow") == []
    assert [failures for _, _, failures in calls.seen] == [0, 1]


def test_the_reply_is_part_of_it(bus: Wire, tmp_path: Path) -> None:
    def answer(message: Any, context: Any) -> Any:
        if context.delivery_count == 0:
            context.set_rollback_only()
        return f"answer {context.delivery_count}"

    with serving_transacted(bus, tmp_path / "shop", answer):
        with bus.in_process("alice") as connection:
            assert connection.request("requests", "?", timeout=20).body == "answer 1"


def test_a_reply_that_nobody_waits_for_any_more_is_dropped_and_the_rest_is_committed(bus: Wire, tmp_path: Path) -> None:
    with serving_transacted(bus, tmp_path / "shop", lambda *_: "too late") as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "?", reply_to="_Q_gone")
        assert calls.wait_for(1)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, EXCEPTIONS) == []
    assert len(calls.seen) == 1


def test_a_connection_of_another_user_can_not_take_part(bus: Wire, tmp_path: Path) -> None:
    errors: list[str] = []

    def forward(_message: Any, context: Any) -> None:
        try:
            context.lookup("jms/as-told").get_connection("alice", "alice")
        except Exception as error:
            errors.append(str(error))
            raise

    with serving_transacted(bus, tmp_path / "shop", forward) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert calls.wait_for(1)
    assert "CF-TX-002" in errors[0]


def test_where_it_is_switched_off_the_message_is_settled_after_the_unit(bus: Wire, tmp_path: Path) -> None:
    def forward(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", "on its own")

    with serving_transacted(bus, tmp_path / "shop", forward, transactions=False) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert calls.wait_for(1)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, "narrow") == ["on its own"]


def test_a_break_before_the_commit_leaves_nothing_and_counts_no_failure(bus: Wire, tmp_path: Path) -> None:
    go_on = threading.Event()

    def wait_first(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", "one")
        go_on.wait(20)

    with serving_transacted(bus, tmp_path / "shop", wait_first) as (_, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "interrupted")
        assert calls.wait_for(1)
        break_all(bus)
        go_on.set()
        assert calls.wait_for(2)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, "narrow") == ["one"]
    assert [failures for _, _, failures in calls.seen] == [0, 0]


def test_a_transaction_that_the_bus_has_timed_out_fails_the_delivery(tmp_path: Path) -> None:
    require_proton()

    def expire(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", "one")
        if context.delivery_count == 0:
            assert eventually(lambda: not any(_open_transactions(hasty)))

    with wire(tmp_path, extra='[chains.Hasty]\nport = 0\ntransaction_timeout = "200ms"\n') as hasty:
        port = hasty.port("Hasty")
        given: dict[str, Any] = {"references": REFERENCE, "remote": {"transactions": True}, "transactions": True}
        with serving(tmp_path / "shop", port, expire, transacted=True, **given) as (_, calls):
            with hasty.in_process("alice") as connection:
                connection.send("requests", "slow")
            assert calls.wait_for(2)
            assert eventually(lambda: not at_rest(hasty))
            assert at_rest(hasty, "narrow") == ["one"]
    assert [failures for _, _, failures in calls.seen] == [0, 1]


def _open_transactions(bus: Wire) -> list[Any]:
    return [each.stage.peer._units._open for each in list(bus.listeners._clients) if hasattr(each.stage, "peer")]


@pytest.mark.parametrize("ordered", [False, True], ids=["any order", "in order"])
def test_many_at_once_are_each_done_once(bus: Wire, tmp_path: Path, *, ordered: bool) -> None:
    def forward(message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("private", message.body)
        if context.delivery_count == 0 and message.body % 3 == 0:
            raise ValueError("no")

    more = 'ordering = "queue"\n' if ordered else "concurrency = 4\n"
    with serving_transacted(bus, tmp_path / "shop", forward, references=more + REFERENCE, alias=("alice", "alice")) as (
        _,
        calls,
    ):
        with bus.in_process("alice") as connection:
            for number in range(20):
                connection.send("requests", number)
        assert calls.wait_for(27)
        assert eventually(lambda: not at_rest(bus))
        assert eventually(lambda: len(at_rest(bus, "private")) == 20)
    done = at_rest(bus, "private")
    assert sorted(done) == list(range(20))
    assert not ordered or done == list(range(20))


def test_it_is_demanded_in_vain_of_a_broker_without_transactions(rabbitmq: RabbitMQ, tmp_path: Path) -> None:
    alias = ("server", password_of("server"))
    with serving(
        tmp_path, rabbitmq.port, lambda *_: None, alias=alias, destination=LETTERS, transacted=True, transactions=True
    ) as (shop, _):
        failed = state(shop)
    assert failed["state"] == "failed"
    assert "CF-AMQP-510" in str(failed["error"])
    assert "RabbitMQ" in str(failed["error"])


def test_without_the_demand_such_a_broker_serves_a_transacted_handler_as_before(
    rabbitmq: RabbitMQ, tmp_path: Path
) -> None:
    alias = ("server", password_of("server"))
    with client(tmp_path / "sender", rabbitmq.port, send_user_id=True) as sender:
        with serving(
            tmp_path / "shop", rabbitmq.port, lambda *_: None, alias=alias, destination=LETTERS, transacted=True
        ) as (shop, calls):
            assert state(shop)["state"] == "active"
            with sender.connect("alice", password_of("alice")) as connection:
                connection.send(LETTERS, "hello")
            assert calls.wait_for(1)


def test_each_message_is_forwarded_once_wherever_the_connection_breaks(bus: Wire, tmp_path: Path) -> None:
    count = 40
    handled = threading.Semaphore(0)

    def forward(message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("private", message.body)
        handled.release()

    with serving_transacted(
        bus, tmp_path / "shop", forward, alias=("alice", "alice"), references="concurrency = 3\n" + REFERENCE
    ) as (shop, _):
        with bus.in_process("alice") as connection:
            for number in range(count):
                connection.send("requests", number)
        for _ in range(4):
            # Some commit at this very moment: those whose answer is lost are either done or come again.
            for _ in range(7):
                assert handled.acquire(timeout=20)
            break_all(bus)
            assert eventually(lambda: not at_rest(bus) or bool(state(shop)["healthy"]))
        assert eventually(lambda: not at_rest(bus))
        assert eventually(lambda: len(at_rest(bus, "private")) >= count)
    assert sorted(at_rest(bus, "private")) == list(range(count))
    assert at_rest(bus, EXCEPTIONS) == []


@pytest.mark.parametrize("committed", [True, False], ids=["done", "not done"])
def test_a_commit_whose_answer_is_lost_is_done_or_comes_again(
    bus: Wire, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, committed: bool
) -> None:
    discharge, lost = Coordinator.discharge, threading.Event()

    async def losing(self: Coordinator, unit: bytes, *, fail: bool) -> None:
        if lost.is_set():
            await discharge(self, unit, fail=fail)
            return
        lost.set()
        if committed:
            await discharge(self, unit, fail=fail)
        self.wire.abort("the answer is lost")
        raise self.wire.error()

    monkeypatch.setattr(Coordinator, "discharge", losing)

    def forward(message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("narrow", message.body)

    with serving_transacted(bus, tmp_path / "shop", forward) as (shop, calls):
        with bus.in_process("alice") as connection:
            connection.send("requests", "one")
        assert eventually(lambda: at_rest(bus, "narrow") == ["one"])
        assert eventually(lambda: lost.is_set() and bool(state(shop)["healthy"]))
        assert calls.wait_for(1 if committed else 2)
        assert eventually(lambda: not at_rest(bus))
        assert at_rest(bus, "narrow") == ["one"]
    assert [failures for _, _, failures in calls.seen] == ([0] if committed else [0, 0])


def test_fifty_are_out_at_once_however_high_the_concurrency(bus: Wire, tmp_path: Path) -> None:
    go_on = threading.Event()

    def wait(_message: Any, context: Any) -> None:
        with context.lookup("jms/out").get_connection() as connection:
            connection.send("private", "begun")
        go_on.wait(30)

    with serving_transacted(
        bus, tmp_path / "shop", wait, alias=("alice", "alice"), references="concurrency = 60\n" + REFERENCE
    ) as (_, calls):
        with bus.in_process("alice") as connection:
            for number in range(60):
                connection.send("requests", number)
        try:
            assert calls.wait_for(1)
            queue = bus.bus.engine.destinations.get("requests").queue
            assert eventually(lambda: queue.counts() == (10, 50))
        finally:
            go_on.set()
        assert eventually(lambda: not at_rest(bus))
        assert eventually(lambda: len(at_rest(bus, "private")) == 60)
