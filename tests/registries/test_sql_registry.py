"""The user registry in SQL tables, on SQLite and on PostgreSQL (FLOW-3)."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url
from support_registries import PostgreSQLRegistryBackend, SqlRegistryBackend

from connector.errors import ConfigError, RegistryUnavailable, SecurityError
from connector.security.passwords import ScryptCost, ScryptPasswords
from connector.spi import HashingRegistryProvider, RememberingRegistry, Secret, WritableUserRegistry
from connector.testing.disclosure import disclosures
from connector_sqlregistry import provider
from connector_sqlregistry.settings import connect_arguments, read_settings
from connector_sqlregistry.tables import UserTables

PASSWORD = Secret("marker-users-word")


def test_its_provider_is_handed_the_framework_s_hashing() -> None:
    assert isinstance(provider, HashingRegistryProvider)


def test_it_can_be_changed_and_keeps_nothing_itself(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    assert isinstance(registry, WritableUserRegistry)
    assert not isinstance(registry, RememberingRegistry)


def test_the_first_user_makes_the_tables(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    with pytest.raises(RegistryUnavailable, match=r"CF-SQLR-01[01].*connector users add|CF-SQLR-010"):
        registry.user_exists("alice")  # never a "no": tables that are missing may have been lost
    registry.add_user("alice", PASSWORD, ["staff"])
    assert registry.check_password("alice", PASSWORD)


def test_users_are_added_changed_and_removed(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD, ["staff", "staff", "clerks"])
    assert registry.groups_of("alice") == {"staff", "clerks"}
    registry.set_groups("alice", ["auditors"])
    registry.set_password("alice", Secret("another"))
    assert registry.groups_of("alice") == {"auditors"}
    assert registry.groups() == ("auditors",)
    assert registry.check_password("alice", Secret("another"))
    assert not registry.check_password("alice", PASSWORD)
    assert registry.remove_user("alice")
    assert not registry.remove_user("alice")
    assert (registry.users(), registry.groups()) == ((), ())


def test_a_removed_user_s_groups_do_not_wait_for_the_next_one_of_that_name(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD, ["auditors"])
    before = registry.unique_name("alice")
    registry.remove_user("alice")
    registry.add_user("alice", PASSWORD)
    assert registry.groups_of("alice") == frozenset()
    assert registry.unique_name("alice") != before


def test_what_can_t_be_done_is_refused_and_changes_nothing(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD, ["staff"])
    refused: tuple[tuple[Callable[[], Any], str], ...] = (
        (lambda: registry.add_user("alice", PASSWORD, ["auditors"]), "CF-SQLR-012"),
        (lambda: registry.set_password("bob", PASSWORD), "CF-SQLR-013"),
        (lambda: registry.set_groups("bob", ["staff"]), "CF-SQLR-013"),
        (lambda: registry.unique_name("bob"), "CF-SQLR-013"),
        (lambda: registry.add_user(" bob", PASSWORD), "CF-SQLR-014"),
        (lambda: registry.add_user("b" * 256, PASSWORD), "CF-SQLR-014"),
        (lambda: registry.set_groups("alice", ["two\nlines"]), "CF-SQLR-014"),
        (lambda: registry.add_user("bob", Secret("")), "CF-SEC-020"),
    )
    for attempt, code in refused:
        with pytest.raises(SecurityError, match=code):
            attempt()
    assert registry.users() == ("alice",)
    assert registry.groups_of("alice") == {"staff"}


def test_a_group_without_members_exists_by_its_row(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    assert not registry.group_exists("empty")
    backend.execute("INSERT INTO connector_groups (name) VALUES ('empty')")
    assert registry.group_exists("empty")
    assert registry.groups() == ("empty",)


def test_a_user_without_a_password_exists_and_can_t_log_in(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    for stored in ("NULL", "''", "'plain text'"):
        backend.execute(f"UPDATE connector_users SET password = {stored}")
        assert registry.user_exists("alice")
        assert not any(registry.check_password("alice", Secret(tried)) for tried in ("", "plain text", "NULL"))


def test_the_stored_hash_is_the_framework_s_own(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    engine = read_settings("kit", backend.settings).engine
    with engine.connect() as connection:
        stored = connection.scalar(text("SELECT password FROM connector_users"))
    engine.dispose()
    assert stored.startswith("scrypt$")
    assert ScryptPasswords(ScryptCost(n=2**5, r=2, p=1)).verify(PASSWORD, stored)  # whatever new ones cost


def test_of_two_who_add_one_user_at_a_time_one_is_refused(backend: SqlRegistryBackend) -> None:
    backend.registry().add_user("first", PASSWORD)
    backend.settings["timeout"] = 20.0  # SQLite has one writer at a time: the others wait
    outcomes: list[str] = []
    together = threading.Barrier(4)

    def add() -> None:
        registry = backend.registry()
        together.wait()
        try:
            registry.add_user("alice", PASSWORD, ["staff"])
            outcomes.append("added")
        except SecurityError as error:
            outcomes.append(error.code)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["CF-SQLR-012"] * 3 + ["added"]


def test_an_outage_can_be_tried_again_and_is_over_when_the_database_is_back(backend: SqlRegistryBackend) -> None:
    registry = backend.registry()
    registry.add_user("alice", PASSWORD)
    backend.cut_off()
    with pytest.raises(RegistryUnavailable, match="CF-SQLR-010") as away:
        registry.user_exists("alice")
    backend.restore()
    assert away.value.retryable
    assert registry.user_exists("alice")


@pytest.mark.postgresql
def test_a_right_that_the_database_s_user_lacks_is_no_outage(postgresql_backend: PostgreSQLRegistryBackend) -> None:
    postgresql_backend.renew()
    registry = postgresql_backend.registry()
    registry.add_user("alice", PASSWORD)
    postgresql_backend.server.run_sql("ALTER TABLE registrar.connector_users OWNER TO CURRENT_USER")
    try:
        with pytest.raises(RegistryUnavailable, match="CF-SQLR-011") as refused:
            registry.check_password("alice", PASSWORD)
        assert not refused.value.retryable
    finally:
        postgresql_backend.server.run_sql("ALTER TABLE registrar.connector_users OWNER TO registrar")


@pytest.mark.postgresql
def test_no_password_is_in_what_an_outage_says(postgresql_backend: PostgreSQLRegistryBackend) -> None:
    postgresql_backend.renew()
    registry = postgresql_backend.registry()
    registry.add_user("alice", PASSWORD)
    postgresql_backend.settings["password"] = wrong = Secret("marker-database-word")
    with pytest.raises(RegistryUnavailable) as caught:
        postgresql_backend.registry().check_password("alice", PASSWORD)
    for secret in (wrong, PASSWORD):
        assert not disclosures(caught.value, secret)
    assert not disclosures(registry, PASSWORD)


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"url": "no url"}, "CF-SQLR-001"),
        ({"url": "nosuchdialect://host/db"}, "CF-SQLR-001"),
        ({"url": "postgresql+pg8000://host/db"}, "CF-SQLR-002"),
        ({"url": "sqlite:///x", "tables": "x; drop"}, "CF-SQLR-003"),
        ({"url": "postgresql+psycopg://u:secret@host/db"}, "CF-SQLR-004"),
    ],
)
def test_unusable_settings_are_told(settings: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError, match=code) as caught:
        provider.with_passwords("kit", settings, ScryptPasswords())
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("sqlite:///x", {"timeout": 0.5}),
        ("postgresql+psycopg://h/d", {"connect_timeout": 2, "options": "-c statement_timeout=500"}),
        ("mariadb+mysqldb://h/d", {"connect_timeout": 1, "read_timeout": 1, "write_timeout": 1}),
        ("oracle+oracledb://h/d", {}),
    ],
)
def test_a_driver_is_told_when_to_give_up(url: str, wanted: dict[str, Any]) -> None:
    told = connect_arguments(make_url(url), 0.5)
    assert {name: told[name] for name in wanted} == wanted
    assert bool(told) == bool(wanted)


def test_the_statements_that_make_the_tables_can_be_shown(backend: SqlRegistryBackend) -> None:
    engine = read_settings("kit", backend.settings).engine
    shown = UserTables("connector").statements(engine)
    backend.execute(*shown)
    registry = backend.registry()
    registry.add_user("alice", PASSWORD, ["staff"])
    assert registry.groups_of("alice") == {"staff"}
    engine.dispose()


def test_the_page_for_deployers_shows_the_tables_as_they_are_read(backend: SqlRegistryBackend) -> None:
    page = (Path(__file__).parents[2] / "docs" / "inflow.md").read_text()
    shown = re.search(r"```sql\n(.*?)```", page, re.DOTALL)
    assert shown is not None
    backend.execute(*(one for one in shown[1].split(";") if one.strip()))
    registry = backend.registry()
    registry.add_user("alice", PASSWORD, ["staff"])
    assert registry.groups_of("alice") == {"staff"}
    assert registry.check_password("alice", PASSWORD)
