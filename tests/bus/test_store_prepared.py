"""Prepared units at rest: neither visible nor lost, over restarts and over versions of the store (FLOW-8)."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_bus_store import message

from connector.errors import MessagingError
from connector_bus.store.sqlite_store import SqliteStore
from connector_bus.store.unit import StoreUnit

#: Written by the first version of the store: seven messages came, one left, one has failed twice.
VERSION_1 = Path(__file__).with_name("data") / "store-version-1.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    store = SqliteStore(path)
    store.commit(StoreUnit(insert=(message(1), message(2))))
    store.prepare("branch-a", StoreUnit(insert=(message(3), message(4)), remove=(1,)))
    yield store
    store.close()


def sequences(store: SqliteStore) -> list[int]:
    return [line.sequence for line in store.index()]


def restarted(store: SqliteStore, path: Path) -> SqliteStore:
    store.close()
    return SqliteStore(path)


def test_what_a_prepared_unit_brings_is_not_seen_and_what_it_takes_is_told(store: SqliteStore) -> None:
    assert sequences(store) == [1, 2]
    (unit,) = store.prepared()
    assert unit.branch == "branch-a"
    assert [line.sequence for line in unit.arrivals] == [3, 4]
    assert [line.sequence for line in unit.removals] == [1]


def test_a_prepared_unit_is_there_after_a_restart(store: SqliteStore, path: Path) -> None:
    before = store.prepared()
    again = restarted(store, path)
    assert again.prepared() == before
    assert sequences(again) == [1, 2]
    assert again.last_sequence() == 4, "a number that a prepared message has must not be given again"
    again.close()


def test_a_committed_one_is_in_force(store: SqliteStore) -> None:
    store.commit_prepared("branch-a")
    assert sequences(store) == [2, 3, 4]
    assert store.read(3) == message(3)
    assert store.read(1) is None
    assert store.prepared() == []


def test_a_rolled_back_one_has_never_been(store: SqliteStore) -> None:
    store.rollback_prepared("branch-a")
    assert sequences(store) == [1, 2]
    assert store.read(3) is None
    assert store.prepared() == []


def test_a_decision_touches_its_own_branch_only(store: SqliteStore) -> None:
    store.prepare("branch-b", StoreUnit(insert=(message(5),), remove=(2,)))
    store.rollback_prepared("branch-a")
    assert [unit.branch for unit in store.prepared()] == ["branch-b"]
    store.commit_prepared("branch-b")
    assert sequences(store) == [1, 5]


@pytest.mark.parametrize("decision", ["commit_prepared", "rollback_prepared"])
def test_a_decision_that_comes_again_is_harmless(store: SqliteStore, decision: str) -> None:
    getattr(store, decision)("branch-a")
    before = sequences(store)
    store.commit_prepared("branch-a")
    store.rollback_prepared("branch-a")
    store.commit_prepared("never-heard-of")
    assert sequences(store) == before


def test_one_that_can_t_be_written_leaves_nothing_of_itself(store: SqliteStore) -> None:
    with pytest.raises(MessagingError, match="CF-BUS-053"):
        store.prepare("branch-b", StoreUnit(insert=(message(9),), remove=(1,)))  # 1 leaves with another branch
    assert [unit.branch for unit in store.prepared()] == ["branch-a"]
    assert store.read(9) is None


def test_a_store_of_version_1_is_brought_up_and_loses_nothing(path: Path) -> None:
    shutil.copy(VERSION_1, path)
    store = SqliteStore(path)
    assert [(line.sequence, line.destination, line.attempts) for line in store.index()] == [
        (1, "uk", 0),
        (2, "requests", 0),
        (4, "requests", 0),
        (5, "uk", 2),
        (6, "requests", 0),
        (7, "uk", 0),
    ]
    assert store.read(4) == message(4, {"number": 4}, "requests")
    store.prepare("branch", StoreUnit(insert=(message(8),), remove=(1,)))
    again = restarted(store, path)
    again.commit_prepared("branch")
    assert sequences(again) == [2, 4, 5, 6, 7, 8]
    again.close()


def test_a_store_that_can_t_be_brought_up_is_left_at_its_version(path: Path) -> None:
    shutil.copy(VERSION_1, path)
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE prepared (theirs)")  # in the way of ours
    connection.close()
    with pytest.raises(MessagingError, match="CF-BUS-054"):
        SqliteStore(path)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT max(version) FROM schema_version").fetchone() == (1,)
    connection.close()


def test_a_store_of_our_version_without_its_prepared_units_is_refused(path: Path) -> None:
    SqliteStore(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE prepared")
    connection.close()
    with pytest.raises(MessagingError, match=r"CF-BUS-051.*table prepared"):
        SqliteStore(path)
