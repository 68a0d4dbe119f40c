"""A store that several engines share: claims, order, epochs, fencing, notifications (BUS-1)."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace
from queue import SimpleQueue

import pytest
from sqlalchemy import Connection, text
from support_bus_store import StorePlace, message, shared_at, taking

from connector.errors import MessagingError
from connector_bus.store.contract import IndexLine
from connector_bus.store.postgresql_store import PostgresqlPlace, PostgresqlStore
from connector_bus.store.shared_schema import SHARED
from connector_bus.store.unit import StoreUnit
from weather_postgresql import PostgreSQLServer

pytestmark = pytest.mark.postgresql


@pytest.fixture
def first(shared_place: StorePlace) -> PostgresqlStore:
    return shared_place.shared("first")


@pytest.fixture
def second(shared_place: StorePlace, first: PostgresqlStore) -> PostgresqlStore:
    return shared_place.shared("second")


def claimed(store: PostgresqlStore, count: int = 1, *, exclusive: bool = False) -> list[int]:
    return numbers(store.claim("q", count, mediated=None, exclusive=exclusive))


def numbers(lines: Sequence[IndexLine]) -> list[int]:
    return [line.sequence for line in lines]


def fill(store: PostgresqlStore, count: int) -> None:
    store.commit(StoreUnit(tuple(message(number, number) for number in range(1, count + 1))))


def test_a_message_is_claimed_by_one_engine_only(first: PostgresqlStore, second: PostgresqlStore) -> None:
    fill(first, 3)
    assert claimed(first) == [1]
    assert claimed(second, 5) == [2, 3]
    assert claimed(first) == []
    assert first.counts("q", mediated=None) == (0, 3)


def test_claims_go_by_priority_then_by_age_over_all_engines(first: PostgresqlStore, second: PostgresqlStore) -> None:
    first.commit(StoreUnit((message(1, priority=4), message(2, priority=9))))
    second.commit(StoreUnit((message(1, priority=4), message(2, priority=9))))
    assert numbers(first.waiting("q", mediated=True)) == [2, 4, 1, 3]
    assert claimed(second, 3) == [2, 4, 1]
    assert claimed(first, 3) == [3]


def test_what_is_given_back_is_at_its_old_place(first: PostgresqlStore, second: PostgresqlStore) -> None:
    fill(first, 3)
    assert claimed(first, 2) == [1, 2]
    first.give_back([1])
    assert claimed(second, 5) == [1, 3]


def test_what_is_claimed_by_another_engine_can_t_be_settled(first: PostgresqlStore, second: PostgresqlStore) -> None:
    fill(first, 1)
    claimed(first)
    for unit in (
        StoreUnit((message(9),), (1,), claim=second.epoch),
        StoreUnit(attempts={1: 1}, claim=second.epoch),
    ):
        with pytest.raises(MessagingError, match="CF-BUS-081"):
            second.commit(unit)
    assert numbers(list(first.index())) == [1]
    first.commit(StoreUnit(remove=(1,), claim=first.epoch))
    assert list(second.index()) == []


def test_exclusively_one_message_at_a_time_is_out_over_all_engines(
    first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 3)
    assert claimed(first, 3, exclusive=True) == [1]
    assert claimed(second, exclusive=True) == []
    first.commit(StoreUnit(remove=(1,), claim=first.epoch))
    assert claimed(second, exclusive=True) == [2]
    assert claimed(first, exclusive=True) == []


def test_exclusive_claims_at_one_moment_don_t_both_succeed(first: PostgresqlStore, second: PostgresqlStore) -> None:
    fill(first, 20)
    for _ in range(10):
        got: list[list[int]] = []

        def claim(store: PostgresqlStore, got: list[list[int]] = got) -> None:
            got.append(claimed(store, exclusive=True))

        threads = [threading.Thread(target=claim, args=(store,)) for store in (first, second)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        assert sorted(len(each) for each in got) == [0, 1]
        for store in (first, second):
            store.give_back([number for each in got for number in each])


def test_many_claims_at_once_share_out_each_message_once(first: PostgresqlStore, second: PostgresqlStore) -> None:
    fill(first, 200)
    got: SimpleQueue[int] = SimpleQueue()

    def work(store: PostgresqlStore) -> None:
        while numbers := claimed(store, 3):
            for number in numbers:
                got.put(number)

    threads = [threading.Thread(target=work, args=(store,)) for store in (first, second, first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(got.get_nowait() for _ in range(got.qsize())) == list(range(1, 201))


def test_both_sides_of_a_mediated_destination_are_apart(first: PostgresqlStore) -> None:
    fill(first, 1)
    assert first.claim("q", 1, mediated=False, exclusive=False) == []
    assert first.waiting("other", mediated=None) == []
    assert claimed(first) == [1]


def test_an_engine_that_leaves_in_order_frees_its_claims_at_once(
    first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 2)
    claimed(first, 2)
    first.close()
    assert claimed(second, 2) == [1, 2]


def late(place: StorePlace, engine: str) -> None:
    """As if an engine had shown no sign of life for long."""
    place.run_sql(f"UPDATE engines SET seen = seen - interval '1 hour' WHERE name = '{engine}'")


def test_an_engine_without_a_sign_of_life_is_fenced_and_its_claims_go_to_others(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 2)
    claimed(first, 2)
    assert second.look()
    assert claimed(second, 2) == []
    late(shared_place, "first")
    assert second.look()
    assert claimed(second, 2) == [1, 2]


def test_a_fenced_engine_that_goes_on_can_write_nothing_under_its_old_epoch(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 2)
    claimed(first, 2)
    old = first.epoch
    late(shared_place, "first")
    second.look()
    for write in (
        lambda: first.commit(StoreUnit(remove=(1,), claim=old)),
        lambda: first.commit(StoreUnit((message(9),))),
        lambda: first.commit(StoreUnit(attempts={1: 1}, claim=old)),
        lambda: first.prepare("b", StoreUnit((message(9),))),
        lambda: first.commit_prepared("b"),
        lambda: first.rollback_prepared("b"),
        lambda: first.give_back([1]),
        lambda: claimed(first),
    ):
        with pytest.raises(MessagingError, match="CF-BUS-080"):
            write()
    assert numbers(list(second.index())) == [1, 2]
    assert not first.look()


def test_after_rejoining_an_old_claim_is_still_lost_even_where_the_engine_has_the_message_again(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 1)
    claimed(first)
    old = first.epoch
    late(shared_place, "first")
    second.look()
    first.rejoin()
    assert first.epoch > old
    assert first.look()
    assert claimed(first) == [1]
    with pytest.raises(MessagingError, match="CF-BUS-081"):
        first.commit(StoreUnit(remove=(1,), claim=old))
    first.commit(StoreUnit(remove=(1,), claim=first.epoch))


def test_an_engine_whose_connections_are_all_broken_is_found_at_the_next_look(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    """As after a kill: the server has noticed that nobody is there any more."""
    fill(second, 1)
    claimed(first)
    shared_place.run_sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
        f" AND classid::bigint = hashtext(current_schema())::bigint & 4294967295 AND objid = {first.epoch}"
    )
    assert second.look()
    assert claimed(second) == [1]


def test_fencing_waits_for_a_transaction_under_way_so_that_a_write_is_before_it_or_refused(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 1)
    claimed(first)
    late(shared_place, "first")
    fenced = threading.Thread(target=second.look)
    with first._access.working() as connection:  # a transaction of the engine that is taken for dead
        from connector_bus.store.shared_changes import apply, hold

        hold(connection, first.epoch, "")
        fenced.start()
        apply(
            connection,
            [StoreUnit((message(2),), (1,), claim=first.epoch)],
            owner="first",
            epoch=first.epoch,
            channel="none",
        )
    fenced.join(30)
    assert claimed(second, 5) == [2]


def test_a_second_engine_of_a_name_is_refused_while_the_first_is_alive(
    shared_place: StorePlace, first: PostgresqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connector_bus.store.membership.FORMER_SECONDS", 0.05)
    with pytest.raises(MessagingError, match="CF-BUS-082"):
        shared_place.open("first")
    late(shared_place, "first")
    fill(shared_place.shared("first"), 1)
    with pytest.raises(MessagingError, match="CF-BUS-080"):
        fill(first, 1)


def test_prepared_removals_are_freed_by_no_fencing_and_decided_by_their_own_engine(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 1)
    first.prepare("b1", taking(first, 1, insert=(message(2),)))
    assert second.prepared() == []
    late(shared_place, "first")
    second.look()
    assert claimed(second) == []
    first.rejoin()
    assert [unit.branch for unit in first.prepared()] == ["b1"]
    first.rollback_prepared("b1")
    assert claimed(second, 5) == [1], "its claim was of an epoch that is over: it is free"


def test_a_rollback_by_the_engine_that_has_the_message_in_its_hands_leaves_it_there(
    first: PostgresqlStore, second: PostgresqlStore
) -> None:
    fill(first, 1)
    first.prepare("b1", taking(first, 1))
    first.rollback_prepared("b1")
    assert claimed(second) == []
    first.commit(StoreUnit(remove=(1,), claim=first.epoch))


def test_what_becomes_free_is_told_to_all_engines(
    shared_place: StorePlace, first: PostgresqlStore, second: PostgresqlStore
) -> None:
    told: SimpleQueue[str | None] = SimpleQueue()
    second.listen(told.put)
    first.commit(StoreUnit((message(1),)))
    assert told.get(timeout=30) == "q"
    claimed(first)
    first.give_back([1])
    assert told.get(timeout=30) == "q"
    first.prepare("b", StoreUnit((message(2, destination="r"),)))
    first.commit_prepared("b")
    assert told.get(timeout=30) == "r"
    first.commit(StoreUnit((message(3, destination="long" * 2000),)))
    assert told.get(timeout=30) is None
    claimed(first)
    late(shared_place, "first")
    second.look()
    assert told.get(timeout=30) == "q"


def test_a_listener_whose_connection_breaks_is_told_to_look_everywhere(
    shared_place: StorePlace, first: PostgresqlStore
) -> None:
    told: SimpleQueue[str | None] = SimpleQueue()
    first.listen(told.put)
    shared_place.run_sql(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE query LIKE 'LISTEN%bus_weather%'"
    )
    first._listener._thread.join(30)  # type: ignore[union-attr]  # it has heard of it
    assert not first.look()
    first.rejoin()
    assert told.get(timeout=30) is None
    fill(first, 1)
    assert told.get(timeout=30) == "q"


def test_an_unreachable_server_a_wrong_url_and_a_wrong_password_say_what_to_look_at(
    postgresql: PostgreSQLServer,
) -> None:
    right = shared_at(postgresql, "unreachable")
    for url, user in (
        ("postgresql://127.0.0.1:1/postgres", right.user),
        ("no url at all", right.user),
        (right.url, "nobody"),
    ):
        with pytest.raises(MessagingError, match="CF-BUS-083") as caught:
            PostgresqlStore(PostgresqlPlace(url, user, right.password, "x", 30.0), "engine")
        assert postgresql.admin_password not in str(caught.value)


def test_buses_have_places_of_their_own_whatever_their_names(postgresql: PostgreSQLServer) -> None:
    names = ["a", 'quo"te', "x" * 100, "x" * 101, "ünï"]
    assert len({shared_at(postgresql, name).namespace for name in names}) == len(names)
    for name in names:
        store = PostgresqlStore(shared_at(postgresql, name), "engine")
        fill(store, 1)
        told: SimpleQueue[str | None] = SimpleQueue()
        store.listen(told.put)
        fill(store, 1)
        assert told.get(timeout=30) == "q"
        store.close()


def test_a_store_of_version_1_is_brought_up(shared_place: StorePlace, first: PostgresqlStore) -> None:
    fill(first, 2)
    first.close()
    for column in ("deliver_at", "reliability", "transfer", "routing", "topic", "space"):
        shared_place.run_sql(f"ALTER TABLE messages DROP COLUMN {column}")
    shared_place.run_sql("DROP TABLE link_transfers, subscriptions, subscription_changes")
    shared_place.run_sql("ALTER TABLE engines DROP COLUMN proof")
    shared_place.run_sql("UPDATE schema_version SET version = 1")
    second = shared_place.shared("second")
    assert claimed(second, 2) == [1, 2]
    assert second.next_due("q", mediated=None, now=0.0) is None
    assert shared_place.run_sql(
        "SELECT count(*) FROM pg_indexes WHERE schemaname = current_schema() AND indexname = 'messages_due'"
    ) == [(1,)]


def test_an_older_store_is_brought_up_and_engines_of_the_version_before_write_no_more(
    shared_place: StorePlace, first: PostgresqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(first, 1)
    claimed(first)
    steps: list[int] = []

    def to_version_2(connection: Connection) -> None:
        connection.execute(text("ALTER TABLE messages ADD COLUMN of_version_2 text"))
        steps.append(2)

    newer = replace(SHARED, version=SHARED.version + 1, migrations={SHARED.version + 1: to_version_2})
    monkeypatch.setattr("connector_bus.store.postgresql_store.SHARED", newer)
    second = shared_place.shared("second")
    assert steps == [2]
    assert shared_place.run_sql("SELECT max(version) FROM schema_version") == [(newer.version,)]
    with pytest.raises(MessagingError, match="CF-BUS-080"):
        fill(first, 1)
    assert claimed(second) == [1]
    monkeypatch.undo()
    with pytest.raises(MessagingError, match="CF-BUS-050"):
        shared_place.open("third")


def test_two_engines_that_come_at_one_moment_make_the_tables_once(shared_place: StorePlace) -> None:
    stores: SimpleQueue[PostgresqlStore] = SimpleQueue()
    threads = [
        threading.Thread(target=lambda name: stores.put(shared_place.shared(name)), args=(f"engine-{number}",))
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len({stores.get_nowait().epoch for _ in threads}) == 4


def test_a_server_that_goes_away_and_comes_back_is_used_again() -> None:
    """What failed was not kept, and the engine goes on under a new epoch."""
    with PostgreSQLServer() as server:
        store = PostgresqlStore(shared_at(server, "weather"), "engine")
        told: SimpleQueue[str | None] = SimpleQueue()
        store.listen(told.put)
        fill(store, 1)
        claimed(store)
        old = store.epoch
        server.kill()
        for attempt in (lambda: fill(store, 1), lambda: claimed(store), store.rejoin, lambda: store.read(1)):
            with pytest.raises(MessagingError, match=r"CF-BUS-0(53|83|86)"):
                attempt()
        server.restart()
        assert not store.look(), "nobody knows whether it was taken for dead meanwhile"
        store.rejoin()
        assert store.epoch > old
        assert claimed(store) == [1]
        store.close()
