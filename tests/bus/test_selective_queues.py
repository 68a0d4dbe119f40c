"""Consumers with selectors: nobody blocks anybody, and order stays as it is (BUS-6)."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support_bus import ManualClock, World, running, weather_bus
from support_bus_store import StorePlace

from connector.errors import MessagingError
from connector.spi import Message, Ordering
from connector_bus.engine.queue_state import Entry, QueueState, Taker
from connector_bus.engine.shared_queue import SharedQueue, chosen_for
from connector_bus.selector.selector import Selector, parse_selector
from connector_bus.store.contract import IndexLine

UK, FR = "location = 'UK'", "location = 'FR'"


def send(world: World, *locations: str, **options: object) -> None:
    connection = world.connect("alice")
    for number, location in enumerate(locations):
        connection.send("requests", number, properties={"location": location}, **options)  # type: ignore[arg-type]


def bodies(messages: object) -> list[object]:
    return [message.body for message in messages]  # type: ignore[attr-defined]


def test_a_receiver_gets_what_matches_and_the_others_get_the_rest_in_order(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        send(world, "FR", "UK", "FR", "UK")
        connection = world.connect("alice")
        taken = [connection.receive("requests", timeout=0, selector=UK) for _ in range(3)]
        assert [None if each is None else each.body for each in taken] == [1, 3, None]
        rest = [connection.receive("requests", timeout=0) for _ in range(3)]
        assert [None if each is None else each.body for each in rest] == [0, 2, None]


def test_browsing_with_a_selector_shows_what_matches_and_takes_nothing(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        send(world, "FR", "UK", "UK")
        connection = world.connect("alice")
        assert bodies(connection.browse("requests", selector=UK)) == [1, 2]
        assert bodies(connection.browse("requests")) == [0, 1, 2]


def test_what_was_stored_before_a_restart_can_be_selected(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        send(world, "FR", "UK")
    with running(tmp_path) as world:
        message = world.connect("alice").receive("requests", timeout=0, selector=UK)
        assert message is not None
        assert message.body == 1


def test_two_activations_share_a_queue_by_their_selectors(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        got: dict[str, list[object]] = {"UK": [], "FR": []}
        world.activate(lambda message: got["UK"].append(message.body), selector=UK)
        send(world, "FR", "UK", "FR", "DE")
        world.works.pump()
        assert got == {"UK": [1], "FR": []}
        world.activate(lambda message: got["FR"].append(message.body), selector=FR)
        world.works.pump()
        assert got == {"UK": [1], "FR": [0, 2]}
        assert bodies(world.peek("requests")) == [3]


def test_a_message_that_failed_can_be_told_by_its_delivery_count(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        got: list[object] = []

        def fail(message: Message) -> None:
            raise ValueError

        end = world.activate(fail, max_redeliveries=5, redelivery_delay=60.0, selector="JMSXDeliveryCount = 1")
        send(world, "UK")
        world.works.pump()
        world.advance(60.0)
        world.works.pump()
        end()
        world.activate(lambda message: got.append(message.delivery_count), selector="JMSXDeliveryCount > 1")
        world.works.pump()
        assert got == [1]


def test_a_group_held_up_by_one_that_nobody_here_wants_does_not_wait_for_it(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        got: list[object] = []
        send(world, "FR", "UK", "UK", group="g")
        world.activate(lambda message: got.append(message.body), selector=UK, ordering=Ordering.GROUP, concurrency=3)
        world.works.pump()
        assert got == [1, 2]


@pytest.mark.parametrize("text", ["location =", "", "location = 'UK' AND"])
def test_a_selector_that_can_t_be_used_is_refused_before_anything_is_taken(tmp_path: Path, text: str) -> None:
    with running(tmp_path) as world:
        send(world, "UK")
        connection = world.connect("alice")
        with pytest.raises(MessagingError, match="CF-BUS-170"):
            connection.receive("requests", timeout=0, selector=text)
        with pytest.raises(MessagingError, match="CF-BUS-170"):
            connection.browse("requests", selector=text)
        assert len(world.peek("requests")) == 1


@pytest.mark.postgresql
def test_engines_that_share_a_store_select_from_all_that_is_free(tmp_path: Path, shared_place: StorePlace) -> None:
    buses = {"weather": weather_bus(**shared_place.settings)}
    with running(tmp_path, buses) as one, running(tmp_path, buses, container="two") as two:
        send(one, "FR", "UK", "UK", "FR")
        connection = two.connect("alice")
        assert bodies([connection.receive("requests", timeout=0, selector=UK)]) == [1]
        assert bodies(connection.browse("requests", selector=UK)) == [2]
        assert bodies([one.connect("alice").receive("requests", timeout=0, selector=UK)]) == [2]
        assert connection.receive("requests", timeout=0, selector=UK) is None
        assert bodies([connection.receive("requests", timeout=0), one.connect("alice").receive("requests")]) == [0, 3]


@pytest.mark.postgresql
def test_handlers_on_a_shared_store_take_what_they_want_and_leave_the_rest_to_others(
    tmp_path: Path, shared_place: StorePlace
) -> None:
    buses = {"weather": weather_bus(**shared_place.settings)}
    with (
        running(tmp_path, buses, threaded=True) as one,
        running(tmp_path, buses, threaded=True, container="two") as two,
    ):
        got: SimpleQueue[tuple[str, object]] = SimpleQueue()
        one.activate(lambda message: got.put(("uk", message.body)), selector=UK)
        two.activate(lambda message: got.put(("fr", message.body)), selector="location = 'FR'")
        send(one, "FR", "UK", "ES", "UK", "FR")
        assert sorted(got.get(timeout=30) for _ in range(4)) == [("fr", 0), ("fr", 4), ("uk", 1), ("uk", 3)]
        assert bodies(two.connect("alice").browse("requests")) == [2]


@pytest.mark.postgresql
def test_a_message_that_comes_back_to_a_shared_store_is_asked_about_as_it_is_now(
    tmp_path: Path, shared_place: StorePlace
) -> None:
    failed, got = threading.Event(), threading.Event()

    def fail_once(message: Message) -> None:
        failed.set()
        raise ValueError

    with running(tmp_path, {"weather": weather_bus(**shared_place.settings)}, threaded=True) as world:
        world.activate(lambda message: got.set(), selector="JMSXDeliveryCount > 1")
        world.activate(fail_once, selector="JMSXDeliveryCount = 1", max_redeliveries=5)
        send(world, "UK")
        assert failed.wait(30)
        assert got.wait(30)


WISHES = st.lists(st.sampled_from([None, "n = 0", "n < 2", "n = 3"]), max_size=6)


@given(WISHES, st.lists(st.integers(0, 3), max_size=8))
def test_a_shared_queue_chooses_what_one_in_memory_would_give(wishes: list[str | None], values: list[int]) -> None:
    selectors = [None if text is None else parse_selector(text) for text in wishes]
    headers = {number: Message(properties={"n": value}) for number, value in enumerate(values)}
    state = QueueState()
    for number, header in headers.items():
        state.add(Entry(number, 4, header=header))
    for selector in selectors:
        state.want(Wish(selector), selector=selector)
    assert chosen_for(selectors, headers) == [entry.sequence for _, entry in state.match(0.0).taken]


def test_the_headers_of_a_store_come_without_their_bodies(place: StorePlace) -> None:
    from support_bus_store import message

    from connector_bus.store.unit import StoreUnit

    store = place.open()
    store.commit(StoreUnit(insert=(message(1), message(2, destination="other"), message(3))))
    headers = store.headers("q")
    assert [sequence for sequence, _ in headers] == [1, 3]
    assert headers[0][1] == message(1).header


class Wish:
    """A taker with what it wants."""

    def __init__(self, selector: Selector | None) -> None:
        self.selector = selector

    def take(self, entry: Entry) -> None:
        raise AssertionError("the state only says what is to be done")


SELECTORS = (None, parse_selector("n = 0"), parse_selector("n < 2"), parse_selector("n = 3"))
STEPS = st.one_of(
    st.tuples(st.just("add"), st.integers(0, 3)),
    st.tuples(st.just("want"), st.integers(0, 3)),
    st.tuples(st.sampled_from(["withdraw", "release", "settle"]), st.integers(0, 3)),
)


def wants(wish: Wish, entry: Entry) -> bool:
    assert entry.header is not None
    return wish.selector is None or wish.selector.matches(entry.header)


@settings(max_examples=300)
@given(st.lists(STEPS, max_size=40))
def test_each_wish_gets_the_best_of_what_it_wants_and_none_waits_beside_it(steps: list[tuple[str, int]]) -> None:
    """Against the rule itself: go through the wishes in their order, give each the first of all that matches."""
    state, wishes, ready, claimed = QueueState(), list[Wish](), list[Entry](), list[Entry]()
    for number, (step, value) in enumerate(steps):
        if step == "add":
            ready.append(Entry(number, 4 + value % 2, header=Message(properties={"n": value})))
            state.add(ready[-1])
        elif step == "want":
            wishes.append(Wish(SELECTORS[value]))
            state.want(wishes[-1], selector=SELECTORS[value])
        elif step == "withdraw" and wishes:
            assert state.withdraw(wishes.pop(value % len(wishes)))
        elif step == "release" and claimed:
            ready.append(claimed.pop(value % len(claimed)))
            state.release(ready[-1])
        elif step == "settle" and claimed:
            state.remove(claimed.pop(value % len(claimed)))
        expected: list[tuple[Taker, Entry]] = []
        for wish in list(wishes):
            best = min((entry for entry in ready if wants(wish, entry)), default=None)
            if best is not None:
                expected.append((wish, best))
                wishes.remove(wish)
                ready.remove(best)
                claimed.append(best)
        assert state.match(0.0).taken == expected
        assert state.entries() == sorted(ready)
        assert (state.ready, state.claimed, state.waiting) == (len(ready), len(claimed), len(wishes))


@pytest.mark.parametrize("early", [True, False])
def test_when_a_group_is_let_go_all_of_it_can_be_had_by_selectors(early: bool) -> None:
    """The next one of the group is not wanted here: with one at a time, the one behind it would wait for ever."""
    state, keeper, wish = QueueState(), Wish(None), Wish(SELECTORS[3])
    for number in range(3):
        state.add(Entry(number, 4, group="g", header=Message(properties={"n": 3 if number == 2 else 1})))
    state.want(keeper, keeps_groups=True)
    ((_, held),) = state.match(0.0).taken
    idle = Wish(None)
    state.want(idle)
    assert state.match(0.0).taken == []  # the others of the group are parked
    assert state.withdraw(idle)
    if early:
        state.want(wish, selector=wish.selector)
        assert state.match(0.0).taken == []
    state.remove(held)
    if not early:
        state.want(wish, selector=wish.selector)
    ((taker, entry),) = state.match(0.0).taken
    assert (taker, entry.sequence) == (wish, 2)
    assert [other.sequence for other in state.entries()] == [1]


def test_a_message_is_asked_once_for_each_selector_however_often_it_is_asked_for() -> None:
    asked: list[Message] = []

    def condition(message: Message) -> bool:
        asked.append(message)
        return False

    selector, state = Selector("never", condition, frozenset()), QueueState()
    for number in range(100):
        state.add(Entry(number, 4, header=Message()))
    for _ in range(50):
        wish = Wish(selector)
        state.want(wish, selector=selector)
        state.match(0.0)
        state.withdraw(wish)
    assert len(asked) == 100


def test_selectors_that_nobody_waits_with_are_forgotten() -> None:
    state = QueueState()
    for number in range(100):
        wish = Wish(parse_selector(f"n = {number}"))
        state.want(wish, selector=wish.selector)
        state.withdraw(wish)
    assert len(state._selections) <= 17


def test_what_is_taken_from_behind_an_unwanted_message_leaves_nothing_in_memory() -> None:
    state = QueueState()
    state.add(Entry(0, 4, header=Message(properties={"n": 0})))
    for number in range(1, 1000):
        wish = Wish(parse_selector("n = 1"))
        state.add(Entry(number, 4, header=Message(properties={"n": 1})))
        state.want(wish, selector=wish.selector)
        ((_, entry),) = state.match(0.0).taken
        assert entry.sequence == number
        state.remove(entry)
    assert [entry.sequence for entry in state.entries()] == [0]
    assert len(state._order) <= 70


def test_a_feed_lists_a_shared_queue_once_however_much_is_refused() -> None:
    class Store:
        epoch, listed, claims = 1, 0, 0

        def waiting(self, *_: object, **__: object) -> list[IndexLine]:
            self.listed += 1
            return [IndexLine(number, "q", 4, None, 0, True, "one group", None) for number in range(500)]

        def headers_of(self, sequences: list[int]) -> dict[int, Message]:
            return {number: Message(properties={"n": 1}) for number in sequences}

        def claim(self, *_: object, **__: object) -> list[IndexLine]:
            self.claims += 1
            return []

        def next_due(self, *_: object, **__: object) -> None:
            return None

    for alone, keeps_groups in ((True, False), (False, True)):
        store: Any = Store()
        queue = SharedQueue(
            "q", ManualClock(), lambda _: None, store, mediated=None, exclusive=False, ask=lambda _: None
        )
        selector = parse_selector("n = 1")
        queue.know_headers()
        queue.want(Wish(selector), alone=alone, keeps_groups=keeps_groups, selector=selector)
        queue.feed()
        assert (store.listed, store.claims) == (1, 1)
