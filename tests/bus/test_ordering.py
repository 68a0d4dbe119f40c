"""FLOW-8: which messages keep their order, whatever fails, waits or is concurrent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import World, running

from connector.spi import Message, Ordering, RedeliveryPolicy
from connector_bus.engine.queue_state import Entry, QueueState


class Wish:
    def take(self, entry: Entry) -> None:
        raise AssertionError("the state only says what is to be done")


def send(world: World, *bodies: Any, group: str | None = None, priority: int = 4) -> None:
    connection = world.connect("alice")
    for body in bodies:
        connection.send("requests", Message(body, group=group, priority=priority))


class Handler:
    """Writes down what comes; fails as often as a message's body says."""

    def __init__(self, **failures: int) -> None:
        self.failures = failures
        self.seen: list[Any] = []

    def __call__(self, message: Message) -> None:
        self.seen.append(message.body)
        if self.failures.get(str(message.body), 0) > message.delivery_count:
            raise ValueError


# --- of the queue -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0.0, 5.0])
def test_no_later_message_overtakes_a_failing_one_where_the_queue_s_order_is_kept(tmp_path: Path, delay: float) -> None:
    with running(tmp_path) as world:
        handler = Handler(b=2)
        world.activate(handler, ordering=Ordering.QUEUE, max_redeliveries=5, redelivery_delay=delay)
        send(world, "a", "b", "c")
        for _ in range(4):
            world.works.pump()
            world.advance(delay)
        assert handler.seen == ["a", "b", "b", "b", "c"]


def test_a_message_that_is_given_up_lets_the_next_one_come(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        handler = Handler(b=99)
        world.activate(handler, ordering=Ordering.QUEUE, max_redeliveries=1, redelivery_delay=5.0)
        send(world, "a", "b", "c")
        world.works.pump()
        assert handler.seen == ["a", "b"]
        world.advance(5.0)
        world.works.pump()
        assert handler.seen == ["a", "b", "b", "c"]
        assert [message.body for message in world.exceptions()] == ["b"]


def test_without_an_order_to_keep_others_go_on_during_a_delay(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        handler = Handler(b=1)
        world.activate(handler, max_redeliveries=5, redelivery_delay=5.0)
        send(world, "a", "b", "c")
        world.works.pump()
        assert handler.seen == ["a", "b", "c"]
        world.advance(5.0)
        world.works.pump()
        assert handler.seen == ["a", "b", "c", "b"]


def test_delays_grow_with_each_failure_up_to_their_limit(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        handler = Handler(a=99)
        policy = RedeliveryPolicy(limit=4, delay=1.0, backoff=3.0, max_delay=5.0)
        world.activate(handler, redelivery=policy)
        send(world, "a")
        world.works.pump()
        for number, pause in enumerate((1.0, 3.0, 5.0, 5.0), 1):
            world.advance(pause - 0.01)
            assert world.works.pump() == 0
            world.advance(0.01)
            assert world.works.pump() == 1
            assert len(handler.seen) == number + 1
        assert len(world.exceptions()) == 1


# --- of groups --------------------------------------------------------------------------------------------------------


def test_messages_of_one_group_come_one_after_the_other_and_groups_don_t_wait_for_each_other(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        handler = Handler(x1=1)
        world.activate(handler, concurrency=4, ordering=Ordering.GROUP, max_redeliveries=5, redelivery_delay=5.0)
        send(world, "x1", "x2", "x3", group="x")
        send(world, "y1", "y2", group="y")
        send(world, "free")
        assert world.works.waiting == 3, "one of each group, and the one without"
        world.works.pump()
        assert handler.seen == ["x1", "y1", "free", "y2"]
        world.advance(5.0)
        world.works.pump()
        assert handler.seen == ["x1", "y1", "free", "y2", "x1", "x2", "x3"]
        assert world.peek("requests") == []


def test_a_group_keeps_its_order_over_a_restart(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        send(world, "x1", "x2", group="x")
    with running(tmp_path) as world:
        handler = Handler(x1=1)
        world.activate(handler, concurrency=4, ordering=Ordering.GROUP, max_redeliveries=5)
        assert world.works.waiting == 1
        world.works.pump()
        assert handler.seen == ["x1", "x1", "x2"]


def test_whoever_browses_sees_what_waits_for_its_group_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        world.activate(Handler(), concurrency=4, ordering=Ordering.GROUP)
        send(world, "x1", "x2", "x3", group="x")
        assert [message.body for message in world.peek("requests")] == ["x2", "x3"]
        (shown, *_) = world.adapter.run_command("show", {})["buses"][0]["destinations"]
        assert (shown["depth"], shown["in_delivery"]) == (2, 1)
        world.works.pump()


def test_a_long_group_moves_one_message_at_a_time_whatever_is_parked() -> None:
    state, count = QueueState(), 2000
    for number in range(count):
        state.add(Entry(number, 4, group="x"))
    for _ in range(3):
        state.want(Wish(), keeps_groups=True)
    ((_, entry),) = state.match(0.0).taken
    for number in range(1, count):
        state.remove(entry)
        assert len(state._order.ready()) == 1
        state.want(Wish(), keeps_groups=True)
        ((_, entry),) = state.match(0.0).taken
        assert entry.sequence == number


def test_an_expired_message_of_a_group_lets_the_next_one_come() -> None:
    state = QueueState()
    state.add(Entry(1, 4, group="x"))
    state.add(Entry(2, 4, expires_at=5.0, group="x"))
    state.add(Entry(3, 4, group="x"))
    for _ in range(2):
        state.want(Wish(), keeps_groups=True)
    ((_, first),) = state.match(0.0).taken
    state.remove(first)
    matches = state.match(9.0)
    assert [entry.sequence for entry in matches.expired] == [2]
    assert [entry.sequence for _, entry in matches.taken] == [3]


def test_a_receive_beside_takes_the_next_of_a_group_and_holds_nothing() -> None:
    state = QueueState()
    for number in (1, 2, 3):
        state.add(Entry(number, 4, group="x"))
    keeper, plain, second = Wish(), Wish(), Wish()
    state.want(keeper, keeps_groups=True)
    state.want(plain)
    ((_, first),) = state.match(0.0).taken
    state.release(first)
    state.want(second)
    assert [(taker, entry.sequence) for taker, entry in state.match(0.0).taken] == [(plain, 1), (second, 2)]
    assert state.ready == 1
