"""The list in a SQL table: shared, sealed, rotated in steps, strict about what it does not know (AUTHD-1, AUTHD-5)."""

from __future__ import annotations

import builtins
import threading
from pathlib import Path
from typing import Any

import pytest
from support_secrets import MARKER, shows_marker
from support_security import variables_showing
from support_stores import SqlBackend, sqlite_url

from connector.errors import AuthDataError, ConfigError, PluginError
from connector.security.audit import MemoryAuditLog
from connector.security.authdata import AuthDataService
from connector.security.key_file import KeyFile
from connector.security.store_keys import VaultKeySource
from connector.spi import RotationProgress, Secret
from connector_sqlstore import provider
from connector_sqlstore.settings import read_settings
from connector_sqlstore.store import SqlStore
from weather_postgresql import PostgreSQLServer


@pytest.fixture
def backend(tmp_path: Path) -> SqlBackend:
    backend = SqlBackend(tmp_path, sqlite_url(tmp_path / "list.db"))
    backend.renew()
    return backend


def refused(use: Any) -> AuthDataError:
    with pytest.raises(AuthDataError) as caught:
        use()
    return caught.value


def test_reading_makes_no_table_and_the_first_change_does(backend: SqlBackend) -> None:
    tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
    assert dict(backend.store().load()) == {}
    assert backend.execute(tables) == []
    backend.store().put("a", "u", Secret("p"))
    assert {name for (name,) in backend.execute(tables)} == {"connector_auth_data", "connector_auth_data_state"}
    assert backend.execute("SELECT schema_version FROM connector_auth_data_state") == [(1,)]


def test_a_newer_schema_is_refused_whatever_else_it_changed(backend: SqlBackend) -> None:
    store = backend.store()
    store.put("a", "u", Secret("p"))
    backend.execute("UPDATE connector_auth_data_state SET schema_version = 2")
    backend.execute("ALTER TABLE connector_auth_data_state RENAME COLUMN revision TO something_else")
    for use in (store.load, lambda: store.put("b", "u", Secret("p")), store.rotate_key, store.stamp):
        error = refused(use)
        assert error.code == "CF-SQLS-010"
        assert "newer version" in error.action


def test_a_list_that_goes_is_an_error_and_not_an_empty_one(backend: SqlBackend) -> None:
    store = backend.store()
    store.put("a", "u", Secret("p"))
    for table in ("connector_auth_data", "connector_auth_data_state"):
        backend.execute(f"DROP TABLE {table}")
    assert refused(store.load).code == "CF-SQLS-013"


@pytest.mark.parametrize("loss", ["DELETE FROM connector_auth_data_state", "DROP TABLE connector_auth_data_state"])
def test_entries_without_their_state_are_refused(backend: SqlBackend, loss: str) -> None:
    backend.store().put("a", "u", Secret("p"))
    backend.execute(loss)
    assert refused(backend.store().load).code == "CF-SQLS-011"


@pytest.mark.parametrize(
    "forgery",
    [
        "DELETE FROM connector_auth_data WHERE alias = 'a'",
        "UPDATE connector_auth_data SET alias = 'c' WHERE alias = 'a'",
        "UPDATE connector_auth_data SET box = (SELECT max(box) FROM connector_auth_data) WHERE box IS NOT NULL",
        "UPDATE connector_auth_data SET version = 9 WHERE alias = 'a'",
        "DELETE FROM connector_auth_data WHERE alias = 'gone'",
        "UPDATE connector_auth_data_state SET revision = 9",
        "UPDATE connector_auth_data SET box = x'00' WHERE alias = 'a'",
    ],
)
def test_what_was_changed_by_other_hands_is_refused(backend: SqlBackend, forgery: str) -> None:
    for alias in ("a", "b", "gone"):
        backend.store().put(alias, "u", Secret(alias))
    backend.store().remove("gone")
    backend.execute(forgery)
    assert refused(backend.store().load).code == "CF-AUTHD-028"


def test_an_older_row_put_back_is_refused(backend: SqlBackend) -> None:
    backend.store().put("a", "u", Secret("old"))
    ((version, box),) = backend.execute("SELECT version, box FROM connector_auth_data")
    backend.store().put("a", "u", Secret("new"))
    backend.execute("UPDATE connector_auth_data SET version = :version, box = :box", version=version, box=box)
    assert refused(backend.store().load).code == "CF-AUTHD-028"


def test_one_containers_change_is_in_force_in_another_after_a_refresh(backend: SqlBackend) -> None:
    one = backend.store()
    one.put("a", "u", Secret("old"))
    other = AuthDataService(backend.store(), MemoryAuditLog())
    one.put("a", "u", Secret("new"))
    assert other.require("a").password == Secret("old")
    assert other.refresh() == {"a"}
    assert (other.require("a").password, other.require("a").version) == (Secret("new"), 2)


def small_steps(backend: SqlBackend, size: int = 2) -> SqlStore:
    return SqlStore(read_settings(backend.settings), VaultKeySource(KeyFile(backend.key)), batch=size)


def test_a_rotation_goes_in_steps_and_tells_how_far_it_is(backend: SqlBackend) -> None:
    entries = {f"a{number}": backend.store().put(f"a{number}", "u", Secret(f"p{number}")) for number in range(5)}
    told: list[RotationProgress] = []
    assert small_steps(backend).rotate_key(told.append) == 5
    assert [(step.done, step.total, step.resumed) for step in told] == [
        (0, 5, False), (2, 5, False), (4, 5, False), (5, 5, False),
    ]  # fmt: skip
    assert dict(backend.store().load()) == entries
    assert len(backend.key.read_text().splitlines()) == 1
    assert len(backend.execute("SELECT DISTINCT key_id FROM connector_auth_data WHERE box IS NOT NULL")) == 1


class Interrupted(BaseException):
    """The process died here."""


def test_an_interrupted_rotation_is_resumed_under_the_key_that_was_begun(backend: SqlBackend) -> None:
    for number in range(5):
        backend.store().put(f"a{number}", "u", Secret(f"p{number}"))
    entries = dict(backend.store().load())

    def die(step: RotationProgress) -> None:
        if step.done == 4:
            raise Interrupted

    with pytest.raises(Interrupted):
        small_steps(backend).rotate_key(die)
    begun = backend.key.read_text().splitlines()
    assert len(begun) == 2
    assert dict(backend.store().load()) == entries  # half of it under either key
    between = backend.store().put("between", "u", Secret("p"))  # by a container that goes on meanwhile
    told: list[RotationProgress] = []
    assert small_steps(backend).rotate_key(told.append) == 6
    assert (told[0].done, told[0].resumed) == (4, True)
    assert dict(backend.store().load()) == {**entries, "between": between}
    assert backend.key.read_text().splitlines() == [begun[1]]


def test_a_writer_beside_a_rotation_loses_nothing(backend: SqlBackend) -> None:
    for number in range(6):
        backend.store().put(f"a{number}", "u", Secret("p"))
    failures: list[BaseException] = []

    def write() -> None:
        try:
            for number in range(10):
                backend.store().put(f"b{number}", "u", Secret("p"))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=write)
    thread.start()
    for _ in range(3):
        small_steps(backend, 1).rotate_key()
    thread.join()
    assert failures == []
    assert set(backend.store().load()) == {f"a{n}" for n in range(6)} | {f"b{n}" for n in range(10)}


def test_a_container_without_the_new_key_keeps_its_last_good_data(backend: SqlBackend, tmp_path: Path) -> None:
    backend.store().put("a", "u", Secret("p"))
    elsewhere = tmp_path / "copy.key"  # of another machine
    elsewhere.write_bytes(backend.key.read_bytes())
    elsewhere.chmod(0o600)
    audit = MemoryAuditLog()
    service = AuthDataService(provider.with_keys(backend.settings, VaultKeySource(KeyFile(elsewhere))), audit)
    backend.store().rotate_key()
    assert refused(service.refresh).code == "CF-AUTHD-027"
    assert service.require("a").password == Secret("p")
    assert [event.reason for event in audit.events] == ["CF-AUTHD-027"]
    elsewhere.write_bytes(backend.key.read_bytes())
    assert service.refresh() == frozenset()


@pytest.mark.parametrize("alias", ["x" * 256, " a", ""])
def test_an_unfit_alias_is_refused(backend: SqlBackend, alias: str) -> None:
    assert refused(lambda: backend.store().put(alias, "u", Secret("p"))).code == "CF-SQLS-015"


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"url": "no url"}, "CF-SQLS-001"),
        ({"url": "nothing://x/y"}, "CF-SQLS-001"),
        ({"url": "postgresql+psycopg://u:secret@h/d"}, "CF-SQLS-004"),
        ({"url": "oracle+cx_oracle://h/d"}, "CF-SQLS-002"),
        ({"url": "sqlite://", "table": "a; DROP TABLE b"}, "CF-SQLS-003"),
        ({"url": "sqlite://", "table": "x" * 51}, "CF-SQLS-003"),
    ],
)
def test_settings_that_cannot_be_used_are_refused_before_connecting(settings: dict[str, str], code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(settings)
    assert caught.value.code == code
    assert "secret" not in str(caught.value)


def test_a_missing_library_is_told_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *args: Any, **options: Any) -> Any:
        if name == "sqlalchemy":
            raise ModuleNotFoundError("No module named 'sqlalchemy'", name="sqlalchemy")
        return real(name, *args, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(PluginError) as caught:
        provider.with_keys({"url": "sqlite://"}, None)  # type: ignore[arg-type]  # not reached
    assert caught.value.code == "CF-SQLS-020"
    assert "connector-framework[sql]" in caught.value.action


@pytest.mark.postgresql
def test_a_refused_login_shows_no_password_anywhere(postgresql: PostgreSQLServer, tmp_path: Path) -> None:
    url = f"postgresql+psycopg://keeper@{postgresql.host}:{postgresql.port}/postgres"
    backend = SqlBackend(tmp_path, url, Secret(MARKER))
    backend.key.touch()
    generated = tmp_path / "made.key"
    KeyFile(generated).create()
    store = provider.with_keys(backend.settings, VaultKeySource(KeyFile(generated)))
    error = refused(store.load)
    assert error.code == "CF-SQLS-012"
    assert "password authentication failed" in error.text
    assert not shows_marker(error)
    assert variables_showing(MARKER, error) == []
    assert not shows_marker(store)


def test_a_database_that_nobody_answers_for_is_told(tmp_path: Path) -> None:
    backend = SqlBackend(tmp_path, sqlite_url(tmp_path / "no such folder" / "list.db"))
    KeyFile(backend.key).create()
    assert refused(backend.store().load).code == "CF-SQLS-012"


def first_writers(backend: SqlBackend, count: int = 6) -> None:
    """All at once write to a list that is not there yet."""
    failures: list[BaseException] = []
    stores = [backend.store() for _ in range(count)]
    together = threading.Barrier(count)

    def write(number: int) -> None:
        try:
            together.wait()
            stores[number].put(f"a{number}", "u", Secret("p"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert set(backend.store().load()) == {f"a{number}" for number in range(count)}


def test_first_writers_at_the_same_time_make_one_list_on_sqlite(backend: SqlBackend) -> None:
    first_writers(backend)


@pytest.mark.postgresql
def test_first_writers_at_the_same_time_make_one_list_on_postgresql(
    postgresql: PostgreSQLServer, tmp_path: Path
) -> None:
    url = f"postgresql+psycopg://keeper@{postgresql.host}:{postgresql.port}/postgres"
    backend = SqlBackend(tmp_path, url, Secret("kit-Datenbank-Wort"))
    for _ in range(3):
        backend.renew()
        first_writers(backend)


def test_a_database_that_takes_two_names_for_one_loses_neither(backend: SqlBackend) -> None:
    store = backend.store()
    store.put("ledger", "u", Secret("p"))
    backend.execute("CREATE UNIQUE INDEX one_case ON connector_auth_data (lower(alias))")
    assert refused(lambda: store.put("LEDGER", "other", Secret("q"))).code == "CF-SQLS-012"
    assert {alias: entry.user for alias, entry in store.load().items()} == {"ledger": "u"}
