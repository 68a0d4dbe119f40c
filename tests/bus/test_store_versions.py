"""A store in a file over its versions: an older one is brought up, in place and at once (BUS-1)."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest
from support_bus_store import message

from connector.errors import MessagingError
from connector.spi import UNAUTHENTICATED
from connector_bus.store.sqlite_store import SqliteStore
from connector_bus.store.subscription import StoredSubscription
from connector_bus.store.unit import StoreUnit

#: Written by the first version of the store: seven messages came, one left, one has failed twice.
VERSION_1 = Path(__file__).with_name("data") / "store-version-1.db"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "bus.db"


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
    store.close()
    again = SqliteStore(path)
    again.commit_prepared("branch")
    assert [line.sequence for line in again.index()] == [2, 4, 5, 6, 7, 8]
    again.close()


def test_a_store_of_version_2_is_brought_up_with_what_is_prepared_in_it(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(StoreUnit(insert=(message(1), message(2))))
    store.prepare("branch", StoreUnit(insert=(message(3),), remove=(1,)))
    store.close()
    with sqlite3.connect(path) as connection:
        for column in ("deliver_at", "reliability", "transfer", "routing", "topic", "space"):
            connection.execute(f"ALTER TABLE messages DROP COLUMN {column}")
        connection.execute("DROP TABLE link_transfers")
        connection.execute("DROP TABLE subscriptions")
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (2)")
    connection.close()
    again = SqliteStore(path)
    again.commit_prepared("branch")
    assert [again.read(line.sequence) for line in again.index()] == [message(2), message(3)]
    again.close()


def test_a_store_of_version_4_is_brought_up_and_can_keep_subscriptions(path: Path) -> None:
    store = SqliteStore(path)
    store.commit(StoreUnit(insert=(message(1),)))
    store.close()
    with sqlite3.connect(path) as connection:
        for column in ("topic", "space"):
            connection.execute(f"ALTER TABLE messages DROP COLUMN {column}")
        connection.execute("DROP TABLE subscriptions")
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (4)")
    connection.close()
    again = SqliteStore(path)
    assert again.read(1) == message(1)
    assert again.subscriptions() == []
    again.close()


def test_a_store_of_version_5_is_brought_up_with_its_subscriptions(path: Path) -> None:
    store = SqliteStore(path)
    record = StoredSubscription("daily", "news", "news", "daily", "#", None, UNAUTHENTICATED, True, False, None, 1.0)
    store.subscribe(record)
    store.close()
    with sqlite3.connect(path) as connection:
        connection.execute("ALTER TABLE subscriptions DROP COLUMN no_local")
        connection.execute("DELETE FROM schema_version")
        connection.execute("INSERT INTO schema_version VALUES (5)")
    connection.close()
    again = SqliteStore(path)
    assert again.subscriptions() == [record]
    other = replace(record, place="other", no_local="client alice/till", made_at=2.0)
    again.subscribe(other)
    assert again.subscriptions() == [record, other]
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
