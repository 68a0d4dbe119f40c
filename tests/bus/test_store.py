"""The store in a file: group commit, and damage to the file (BUS-1)."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
from support_bus_store import message

from connector.errors import MessagingError
from connector_bus.store.sqlite_store import SqliteStore
from connector_bus.store.unit import StoreUnit


def test_a_unit_that_fails_leaves_nothing_of_itself(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    store.commit(StoreUnit(insert=(message(1),)))
    with pytest.raises(MessagingError) as caught:
        store.commit(StoreUnit(insert=(message(3), message(3, "MARKER-body")), remove=(1,)))
    assert caught.value.code == "CF-BUS-053"
    assert "MARKER" not in str(caught.value)
    assert [line.sequence for line in store.index()] == [1]
    store.close()


def test_a_unit_that_fails_does_not_harm_the_others_of_its_batch(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    store.commit(StoreUnit(insert=(message(1),)))
    held = sqlite3.connect(tmp_path / "bus.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    first = store.submit(StoreUnit(insert=(message(2),)))  # keeps the writer waiting, so that a batch gathers
    good, bad = store.submit(StoreUnit(insert=(message(3),))), store.submit(StoreUnit(insert=(message(1),)))
    held.execute("COMMIT")
    held.close()
    first.result(30)
    good.result(30)
    with pytest.raises(MessagingError, match="CF-BUS-053"):
        bad.result(30)
    assert [line.sequence for line in store.index()] == [1, 2, 3]
    store.close()


def test_units_that_wait_together_share_a_transaction(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    held = sqlite3.connect(tmp_path / "bus.db", isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    futures = [store.submit(StoreUnit(insert=(message(number),))) for number in range(1, 101)]
    held.execute("COMMIT")
    held.close()
    for future in futures:
        future.result(30)
    assert store.transactions <= 2
    store.close()


def test_any_number_comes_and_goes_in_one_unit_and_those_between_stay(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    store.commit(StoreUnit(insert=tuple(message(number) for number in range(1, 101))))
    assert [line.sequence for line in store.index()] == list(range(1, 101))
    leaving = (99, 1, 2, 3, 50, 52, 51, 75, 100)
    store.commit(StoreUnit(insert=(message(101),), remove=leaving))
    assert [line.sequence for line in store.index()] == [each for each in range(1, 102) if each not in leaving]
    store.close()


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    SqliteStore(tmp_path / "bus.db").close()
    assert stat.S_IMODE((tmp_path / "bus.db").stat().st_mode) == 0o600


def test_somebody_else_s_database_is_refused(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "bus.db") as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    with pytest.raises(MessagingError, match="CF-BUS-051"):
        SqliteStore(tmp_path / "bus.db")


def test_a_file_that_is_no_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "bus.db").write_bytes(b"not a database at all" * 100)
    with pytest.raises(MessagingError, match="CF-BUS-054"):
        SqliteStore(tmp_path / "bus.db")
    assert (tmp_path / "bus.db").read_bytes().startswith(b"not a database")


def test_a_torn_store_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    for number in range(1, 30):
        store.commit(StoreUnit(insert=(message(number, "x" * 2000),)))
    store.close()
    whole = (tmp_path / "bus.db").read_bytes()
    (tmp_path / "bus.db").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(MessagingError, match="CF-BUS-054"):
        SqliteStore(tmp_path / "bus.db")


def test_a_store_in_a_place_where_none_can_be_made_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MessagingError, match="CF-BUS-054"):
        SqliteStore(tmp_path / "nowhere" / "bus.db")


def test_damage_that_shows_only_when_it_is_read_has_a_code_as_well(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bus.db")
    with sqlite3.connect(tmp_path / "bus.db") as connection:
        connection.execute("DROP TABLE messages")
    connection.close()
    for read in (store.last_sequence, lambda: list(store.index()), lambda: store.read(1)):
        with pytest.raises(MessagingError, match="CF-BUS-056"):
            read()
    store.close()
