"""Queue state, consumers and the alarm by themselves."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_bus import ManualAlarm, ManualClock
from support_security import FixedClock

from connector_bus.engine.alarm import ThreadAlarm
from connector_bus.engine.consumer import Consumer, Taken
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.queue_state import Entry, QueueState


class Wish:
    def take(self, entry: Entry) -> None:
        raise AssertionError("the state only says what is to be done")


@given(st.lists(st.sampled_from(["add", "urgent", "want", "withdraw", "release", "settle"]), max_size=40))
def test_no_entry_is_lost_or_claimed_twice_and_wishes_never_wait_beside_ready_entries(steps: list[str]) -> None:
    state = QueueState()
    wishes: list[Wish] = []
    claimed: list[Entry] = []
    added = settled = 0
    for step in steps:
        if step in ("add", "urgent"):
            added += 1
            state.add(Entry(added, 9 if step == "urgent" else 4))
        elif step == "want":
            wishes.append(Wish())
            state.want(wishes[-1])
        elif step == "withdraw" and wishes:
            assert state.withdraw(wishes.pop())
        elif step == "release" and claimed:
            state.release(claimed.pop(0))
        elif step == "settle" and claimed:
            state.remove(claimed.pop(0))
            settled += 1
        ready = state.entries()
        for wish, entry in state.match(0.0).taken:
            assert wish is wishes.pop(0)
            assert entry is ready.pop(0)
            assert entry not in claimed
            claimed.append(entry)
        assert state.ready == 0 or state.waiting == 0
        assert state.ready + state.claimed + settled == added
        assert state.claimed == len(claimed)


def test_releasing_what_is_not_claimed_changes_nothing() -> None:
    state = QueueState()
    state.release(Entry(1, 4))
    assert (state.ready, state.claimed) == (0, 0)


def test_a_wish_that_was_served_can_t_be_withdrawn() -> None:
    state, wish = QueueState(), Wish()
    state.want(wish)
    state.add(Entry(1, 4))
    state.match(0.0)
    assert not state.withdraw(wish)


def make_queue() -> tuple[MessageQueue, ManualAlarm]:
    clock = ManualClock()
    return MessageQueue("q", clock, lambda entries: None), ManualAlarm(clock)


def test_a_stopped_consumer_gives_back_what_reaches_it_too_late() -> None:
    queue, alarm = make_queue()
    begun: list[Taken] = []
    consumer = Consumer(queue, 1, begun.append, alarm)
    consumer.start()
    (place,) = consumer._places
    assert consumer.stop(0)
    queue.want(place)  # as if the hand-over had begun before `stop` could withdraw the wish
    queue.add([Entry(1, 4)])
    assert begun == []
    assert queue.counts() == (1, 0)


def test_a_consumer_that_is_stopped_says_whether_its_deliveries_ended() -> None:
    queue, alarm = make_queue()
    begun: list[Taken] = []
    consumer = Consumer(queue, 1, begun.append, alarm)
    consumer.start()
    queue.add([Entry(1, 4)])
    assert not consumer.stop(0)
    consumer.done(begun[0])
    consumer.done(begun[0])
    assert consumer.stop(0)
    assert consumer.in_delivery == 0


def test_a_redelivery_at_once_costs_the_consumer_no_place() -> None:
    queue, alarm = make_queue()
    begun: list[Taken] = []
    consumer = Consumer(queue, 2, begun.append, alarm)
    consumer.start()
    queue.add([Entry(1, 4)])
    queue.release(begun[0].entry)  # taken by the other place, before the first delivery is over
    consumer.done(begun[0])
    consumer.done(begun[1])
    queue.add([Entry(2, 4), Entry(3, 4)])
    assert [taken.entry.sequence for taken in begun] == [1, 1, 2, 3]
    assert consumer.in_delivery == 2


def test_a_consumer_never_has_more_out_than_its_places_whatever_happens_at_once() -> None:
    queue, alarm = make_queue()
    begun: list[Taken] = []
    consumer = Consumer(queue, 2, begun.append, alarm)
    consumer.start()
    queue.add([Entry(number, 4) for number in range(10)])
    consumer.refused(begun[0])
    consumer.hold(5.0, "test")
    assert consumer.held == "test"
    consumer.done(begun[1])
    queue.remove(begun[1].entry)
    alarm.advance(1.0)
    assert consumer.in_delivery == 0
    alarm.advance(4.0)
    assert (consumer.in_delivery, consumer.held) == (2, "")


def test_a_consumer_begins_after_the_deliveries_of_the_one_before_it() -> None:
    queue, alarm = make_queue()
    begun: list[Taken] = []
    first, second = (Consumer(queue, 1, begun.append, alarm) for _ in range(2))
    first.start()
    queue.add([Entry(1, 4), Entry(2, 4)])
    assert not first.stop(0)
    second.start(after=first)
    assert (len(begun), second.held) == (1, "an earlier delivery")
    queue.remove(begun[0].entry)
    first.done(begun[0])
    assert [taken.entry.sequence for taken in begun] == [1, 2]
    third = Consumer(queue, 1, begun.append, alarm)
    queue.add([Entry(3, 4)])
    third.start(after=first)
    assert begun[-1].entry.sequence == 3


def test_a_closed_queue_takes_no_more_messages() -> None:
    queue, _ = make_queue()
    queue.close()
    assert not queue.add([Entry(1, 4)])


def test_the_alarm_calls_back_in_time_s_order_and_survives_a_callback_that_raises() -> None:
    clock = FixedClock()
    alarm, called, done = ThreadAlarm(clock), [], threading.Event()

    def broken() -> None:
        called.append("broken")
        raise ValueError

    def last() -> None:
        called.append("last")
        done.set()

    alarm.call_later(0.02, last)
    alarm.call_later(0.0, broken)
    clock.now += 1
    assert done.wait(30)
    alarm.close()
    alarm.close()
    alarm.call_later(0.0, broken)
    assert called == ["broken", "last"]


@pytest.mark.parametrize("served", [False, True], ids=["nothing has come", "it has just come"])
def test_a_receiver_that_is_interrupted_leaves_the_message_to_others(
    monkeypatch: pytest.MonkeyPatch, served: bool
) -> None:
    queue, _ = make_queue()

    class Interrupted(threading.Event):
        """The thread is interrupted in its first wait, perhaps after it was served."""

        def wait(self, timeout: float | None = None) -> bool:
            monkeypatch.undo()
            if served:
                queue.add([Entry(1, 4)])
            self.wait = super().wait  # type: ignore[method-assign]
            raise KeyboardInterrupt

    of_the_queue = SimpleNamespace(Event=Interrupted, Lock=threading.Lock)
    monkeypatch.setattr("connector_bus.engine.message_queue.threading", of_the_queue)
    with pytest.raises(KeyboardInterrupt):
        queue.receive(None)
    if not served:
        queue.add([Entry(1, 4)])
    entry = queue.receive(0)
    assert entry is not None
    assert entry.sequence == 1


def test_a_receiver_for_whom_nothing_can_be_fetched_leaves_the_message_to_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    queue, _ = make_queue()

    def away() -> None:
        raise ConnectionError

    monkeypatch.setattr(queue, "feed", away)
    with pytest.raises(ConnectionError):
        queue.receive(None)
    monkeypatch.undo()
    queue.add([Entry(1, 4)])
    assert queue.receive(0) is not None
