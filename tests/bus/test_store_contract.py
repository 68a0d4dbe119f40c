"""What every store promises, in a file or in PostgreSQL (BUS-1): units, prepared units, versions."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest
from support_bus_store import StorePlace, message, taking

from connector.errors import MessagingError
from connector_bus.store.contract import MessageStore
from connector_bus.store.record import Passage
from connector_bus.store.unit import StoreUnit


def sequences(store: MessageStore) -> list[int]:
    return [line.sequence for line in store.index()]


@pytest.fixture
def store(place: StorePlace) -> MessageStore:
    return place.open()


@pytest.fixture
def prepared(store: MessageStore) -> MessageStore:
    """Messages 1 and 2, and a branch that takes 1 and brings 3 and 4."""
    store.commit(StoreUnit((message(1), message(2))))
    store.prepare("branch-a", taking(store, 1, insert=(message(3), message(4))))
    return store


def test_a_message_reads_back_whole(store: MessageStore) -> None:
    store.commit(StoreUnit((message(1, {"a": 1}),)))
    assert store.read(1) == message(1, {"a": 1})
    assert store.read(2) is None
    assert [(line.sequence, line.destination, line.priority) for line in store.index()] == [(1, "q", 7)]


@pytest.mark.parametrize("body", [None, "", "text", b"", b"\x00\xff" * 300_000, {"a": [1, None, "\u20ac"]}, 1.5])
def test_a_body_of_any_kind_and_size_reads_back(store: MessageStore, body: object) -> None:
    store.commit(StoreUnit((message(1, body),)))
    stored = store.read(1)
    assert stored is not None
    assert stored.message().body == body


def test_what_was_taken_is_gone_and_what_came_with_it_is_there(store: MessageStore) -> None:
    store.commit(StoreUnit((message(1), message(2))))
    store.commit(taking(store, 1, insert=(message(3),)))
    assert sequences(store) == [2, 3]


def test_failed_attempts_are_kept(place: StorePlace, store: MessageStore) -> None:
    store.commit(StoreUnit((message(1),)))
    unit = taking(store, 1)
    store.commit(StoreUnit(attempts={1: 2}, claim=unit.claim))
    store.close()
    assert [line.attempts for line in place.open().index()] == [2]


def test_a_unit_that_fails_leaves_nothing_of_itself(store: MessageStore) -> None:
    store.commit(StoreUnit((message(1),)))
    store.prepare("taken", taking(store, 1))
    with pytest.raises(MessagingError) as caught:
        store.prepare("again", StoreUnit((message(2, "MARKER-body"),), (1,)))
    assert "MARKER" not in str(caught.value)
    assert sequences(store) == [1]


def test_many_threads_commit_and_nothing_is_lost(store: MessageStore) -> None:
    def work(start: int) -> None:
        for number in range(start, start + 20):
            store.commit(StoreUnit((message(number, number),)))

    threads = [threading.Thread(target=work, args=(start,)) for start in range(1, 81, 20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stored = [store.read(number) for number in sequences(store)]
    assert sorted(each.message().body for each in stored if each is not None) == list(range(1, 81))
    assert store.last_sequence() == 80


def test_what_was_handed_in_before_closing_is_written(place: StorePlace, store: MessageStore) -> None:
    future = store.submit(StoreUnit((message(1),)))
    store.close()
    future.result(0)
    assert sequences(place.open()) == [1]


def test_a_closed_store_refuses_and_closing_twice_is_harmless(store: MessageStore) -> None:
    store.close()
    store.close()
    with pytest.raises(MessagingError, match="CF-BUS-052"):
        store.commit(StoreUnit((message(1),)))


def test_what_a_prepared_unit_brings_is_not_seen_and_what_it_takes_is_told(prepared: MessageStore) -> None:
    assert sequences(prepared) == [1, 2]
    (unit,) = prepared.prepared()
    assert unit.branch == "branch-a"
    assert [line.sequence for line in unit.arrivals] == [3, 4]
    assert [line.sequence for line in unit.removals] == [1]


def test_a_prepared_unit_is_there_after_a_restart(place: StorePlace, prepared: MessageStore) -> None:
    before = prepared.prepared()
    prepared.close()
    again = place.open()
    assert again.prepared() == before
    assert sequences(again) == [1, 2]
    assert again.last_sequence() == 4, "a number that a prepared message has must not be given again"


def test_a_committed_one_is_in_force(prepared: MessageStore) -> None:
    prepared.commit_prepared("branch-a")
    assert sequences(prepared) == [2, 3, 4]
    assert prepared.read(3) == message(3)
    assert prepared.read(1) is None
    assert prepared.prepared() == []


def test_a_rolled_back_one_has_never_been(prepared: MessageStore) -> None:
    prepared.rollback_prepared("branch-a")
    assert sequences(prepared) == [1, 2]
    assert prepared.read(3) is None
    assert prepared.prepared() == []


def test_a_decision_touches_its_own_branch_only(prepared: MessageStore) -> None:
    prepared.prepare("branch-b", taking(prepared, 2, insert=(message(5),)))
    prepared.rollback_prepared("branch-a")
    assert [unit.branch for unit in prepared.prepared()] == ["branch-b"]
    prepared.commit_prepared("branch-b")
    assert sequences(prepared) == [1, 5]


@pytest.mark.parametrize("decision", ["commit_prepared", "rollback_prepared"])
def test_a_decision_that_comes_again_is_harmless(prepared: MessageStore, decision: str) -> None:
    getattr(prepared, decision)("branch-a")
    before = sequences(prepared)
    prepared.commit_prepared("branch-a")
    prepared.rollback_prepared("branch-a")
    prepared.commit_prepared("never-heard-of")
    assert sequences(prepared) == before


def test_a_decision_after_a_restart_is_as_good(place: StorePlace, prepared: MessageStore) -> None:
    prepared.close()
    again = place.open()
    again.commit_prepared("branch-a")
    assert sequences(again) == [2, 3, 4]


def test_one_that_can_t_be_prepared_leaves_nothing_of_itself(prepared: MessageStore) -> None:
    with pytest.raises(MessagingError):
        prepared.prepare("branch-b", StoreUnit((message(9),), (1,)))  # 1 leaves with another branch
    assert [unit.branch for unit in prepared.prepared()] == ["branch-a"]
    assert prepared.read(5) is None


def test_a_newer_store_is_refused_and_left_alone(place: StorePlace, store: MessageStore) -> None:
    store.commit(StoreUnit((message(1),)))
    store.close()
    place.run_sql("UPDATE schema_version SET version = 99")
    with pytest.raises(MessagingError, match=r"CF-BUS-050.*99"):
        place.open()
    assert place.run_sql("SELECT count(*) FROM messages") == [(1,)]


@pytest.mark.parametrize(
    ("damage", "missing"),
    [
        ("DELETE FROM schema_version", "schema version"),
        ("DROP TABLE messages", "table messages"),
        ("DROP TABLE prepared", "table prepared"),
    ],
)
def test_a_store_without_a_part_is_refused_with_what_is_missing(
    place: StorePlace, store: MessageStore, damage: str, missing: str
) -> None:
    store.close()
    place.run_sql(damage)
    with pytest.raises(MessagingError, match=f"CF-BUS-051.*{missing}"):
        place.open()


def test_what_came_over_a_link_is_known_until_it_is_forgotten(place: StorePlace, store: MessageStore) -> None:
    store.commit(StoreUnit((message(1),), received=(("france", "t-1"),)))
    store.commit(StoreUnit((message(2),), received=(("france", "t-2"), ("spain", "t-1"))))
    store.close()
    again = place.open()
    assert again.received("france") == {"t-1", "t-2"}
    again.commit(StoreUnit(forgotten=(("france", "t-1"), ("france", "never"))))
    assert again.received("france") == {"t-2"}
    assert again.received("spain") == {"t-1"}


def test_nothing_comes_over_a_link_twice(store: MessageStore) -> None:
    store.commit(StoreUnit((message(1),), received=(("france", "t-1"),)))
    with pytest.raises(MessagingError) as caught:
        store.commit(StoreUnit((message(2),), received=(("france", "t-1"),)))
    assert caught.value.code == "CF-BUS-053"
    assert sequences(store) == [1]


def test_a_message_on_its_way_to_another_bus_reads_back_with_its_paths(place: StorePlace, store: MessageStore) -> None:
    paths = {"forward_path": ("b", "c@france"), "reverse_path": ("a@britain",)}
    passage = Passage("t-1", "france", "forecasts")
    plain = message(1)
    leaving = replace(plain, header=plain.header.replace(**paths), passage=passage)
    store.commit(StoreUnit((leaving,)))
    store.close()
    again = place.open()
    stored = again.read(next(again.index()).sequence)
    assert stored == leaving
    assert again.unsent("q", {"t-1", "t-2"}) == {"t-1"}
    assert again.unsent("elsewhere", {"t-1"}) == frozenset()
