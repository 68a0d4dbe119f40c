"""Every attack of a caller's SQL on a trusted connection, by every way to send it (TRUST-4).

alice attacks bob. What becomes of it stands in `support_attacks`, and in the documentation, whose rows are compared.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import DBAPIError, ResourceClosedError
from sqlalchemy.orm import Session
from support_attacks import ATTACKS, ON_MARIADB, OTHERS, WAYS, Attack, Verdict
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import HandleClosed, IdentityMismatch

PAGE = Path(__file__).parents[2] / "docs" / "trusted-connections.md"


on_postgresql = pytest.mark.postgresql


def attacks_that_are(verdict: Verdict) -> pytest.MarkDecorator:
    found = {name: attack for name, attack in ATTACKS.items() if attack.verdict is verdict}
    return pytest.mark.parametrize("attack", found.values(), ids=found.keys())


by_every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())


@pytest.fixture
def bobs(database: Database, ledger: Reference) -> Iterator[Reference]:
    """The ledger with a row of bob's; what an attack may have left in the catalogue is taken away.

    Its connection has had both before, so that each is asserted with his first statement only.
    """
    database.run_sql("INSERT INTO ledger (what, who) VALUES ('rain', 'bob')")
    for caller in ("alice", "bob"):
        assert ask(ledger, caller, "SELECT current_user") == caller
    yield ledger
    database.run_sql("ALTER ROLE alice RESET ALL; ALTER ROLE ledger_pool RESET ALL; ALTER ROLE carol RESET ALL")


def ask(reference: Reference, caller: str, question: str) -> object:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        return connection.execute(text(question)).scalar()


# --- SQL ----------------------------------------------------------------------------------------------------------


@on_postgresql
@by_every_way
@attacks_that_are(Verdict.NOTICED)
def test_an_attack_that_is_noticed_costs_the_connection_and_is_reported(
    bobs: Reference, attack: Attack, way: Any
) -> None:
    refused = False
    try:
        way(bobs.connections, attack.statements)
    except (DBAPIError, psycopg.Error):
        refused = True  # in a transaction, or with parameters, PostgreSQL doesn't allow all of them

    if not refused:
        assert bobs.physical_count == 0
        assert [(event.who, event.reason) for event in bobs.audit.events] == [("alice", "CF-SQL-032")]
    assert ask(bobs, "bob", "SELECT current_user") == "bob"
    assert ask(bobs, "alice", "SELECT count(*) FROM ledger") == 0


@on_postgresql
@attacks_that_are(Verdict.NOTICED)
def test_each_attack_that_is_noticed_does_work_by_the_drivers_connection(bobs: Reference, attack: Attack) -> None:
    WAYS["driver's connection"](bobs.connections, attack.statements)

    assert bobs.physical_count == 0


@on_postgresql
@by_every_way
@attacks_that_are(Verdict.PREVENTED)
def test_an_attack_that_is_prevented_changes_nothing_for_anybody(bobs: Reference, attack: Attack, way: Any) -> None:
    with suppress(DBAPIError, psycopg.Error):
        way(bobs.connections, (*attack.statements, "SELECT 1"))

    assert bobs.audit.events == []
    assert ask(bobs, "alice", "SELECT current_user") == "alice"
    assert ask(bobs, "alice", "SELECT count(*) FROM ledger") == 0
    if attack.probe is not None:
        assert ask(bobs, "bob", attack.probe) == attack.clean
    assert bobs.physical_count == 1


@on_postgresql
@attacks_that_are(Verdict.PREVENTED)
def test_an_attack_that_is_prevented_leaves_its_sender_who_he_is(bobs: Reference, attack: Attack) -> None:
    with closing(bobs.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        driver.autocommit = True
        for statement in attack.statements:
            with suppress(psycopg.Error):
                driver.execute(statement)
        driver.autocommit = False
        driver.rollback()
        assert driver.execute("SELECT current_user, session_user").fetchone() == ("alice", "ledger_pool")


@on_postgresql
@attacks_that_are(Verdict.UNNOTICED)
def test_an_attack_that_covers_its_tracks_is_not_noticed(bobs: Reference, attack: Attack) -> None:
    loot = WAYS["driver's connection"](bobs.connections, attack.statements)

    assert (bobs.physical_count, bobs.audit.events) == (1, [])
    if attack.reads:
        assert loot == "rain"  # which is why callers who send SQL of their own are to sign on as themselves
    assert ask(bobs, "bob", "SELECT current_user") == "bob"


@on_postgresql
@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_a_login_of_the_callers_own_confines_every_attack(
    bobs: Reference, database: Database, make_reference: MakeReference, marker: Secret, attack: Attack
) -> None:
    own = make_reference(properties={"url": database.url}, passwords={"carol": marker})
    own.caller = "carol"
    with closing(own.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        driver.autocommit = True
        for statement in attack.statements:
            with suppress(psycopg.Error):
                answer = driver.execute(statement)
                assert not attack.reads or answer.description is None or answer.fetchone() in (None, (None,))
        assert driver.execute("SELECT current_user, session_user").fetchone() == ("carol", "carol")
        assert driver.execute("SELECT count(*) FROM public.ledger WHERE what = 'rain'").fetchone() == (0,)

    assert ask(bobs, "bob", "SELECT what FROM ledger") == "rain"


# --- what is kept -------------------------------------------------------------------------------------------------


@on_postgresql
def test_a_connection_or_session_that_was_kept_never_works_as_the_next_caller(bobs: Reference) -> None:
    connection = bobs.connections.get_connection()
    session = Session(bobs.connections.engine)
    session.execute(text("SELECT 1"))
    raw = bobs.connections.engine.raw_connection()
    for one in (connection, session, raw):
        one.close()

    with bobs.called_by("bob") as connections, connections.get_connection():
        with pytest.raises(ResourceClosedError):
            connection.execute(text("SELECT 1"))
        with pytest.raises(HandleClosed):
            raw.cursor()
        with pytest.raises(IdentityMismatch):
            session.execute(text("SELECT 1"))
    session.close()


@on_postgresql
def test_a_cursor_that_was_kept_is_dead(bobs: Reference) -> None:
    with closing(bobs.connections.engine.raw_connection()) as raw:
        ours = raw.cursor()
        drivers = raw.driver_connection.cursor()  # type: ignore[union-attr]
        servers = raw.cursor("named")
    with bobs.called_by("bob") as connections, connections.get_connection() as connection:
        for cursor in (ours, drivers, servers):
            with pytest.raises(psycopg.Error, match="closed"):
                cursor.execute("SELECT what FROM ledger")
        assert connection.execute(text("SELECT what FROM ledger")).scalar_one() == "rain"


@on_postgresql
def test_the_drivers_connection_that_was_kept_is_dead(bobs: Reference) -> None:
    with closing(bobs.connections.engine.raw_connection()) as raw:
        kept: Any = raw.driver_connection
        facade: Any = raw.dbapi_connection
    with bobs.called_by("bob") as connections, connections.get_connection() as connection:
        for driver in (kept, facade):
            with pytest.raises(psycopg.OperationalError, match="closed"):
                driver.execute("SELECT what FROM ledger")
            assert driver.closed
            driver.close()
        assert connection.execute(text("SELECT what FROM ledger")).scalar_one() == "rain"
    assert bobs.physical_count == 1


@on_postgresql
def test_an_adapter_or_handler_on_the_drivers_connection_is_gone_with_its_caller(bobs: Reference) -> None:
    class Fake(psycopg.adapt.Loader):
        def load(self, data: Any) -> str:
            return "FAKE"

    heard: list[object] = []
    with closing(bobs.connections.engine.raw_connection()) as raw:
        driver: Any = raw.driver_connection
        driver.adapters.register_loader("text", Fake)
        driver.add_notify_handler(heard.append)
        driver.add_notice_handler(heard.append)
        driver.autocommit = True
        driver.execute("LISTEN gossip")
        driver.execute("NOTIFY gossip, 'from alice'")
        overheard = len(heard)
        driver.execute("NOTIFY gossip, 'again'")
        driver.pgconn.exec_(b"NOTIFY gossip, 'left unread'")
    with bobs.called_by("bob") as connections, closing(connections.engine.raw_connection()) as raw:
        driver = raw.driver_connection
        assert driver.execute("SELECT what FROM ledger").fetchone() == ("rain",)
        driver.execute("DO $$ BEGIN RAISE NOTICE 'bob is here'; END $$")
        assert list(driver.notifies(timeout=0)) == []
    assert overheard
    assert all("bob" not in str(one) for one in heard)


@on_postgresql
def test_libpqs_connection_that_was_kept_is_the_next_callers(bobs: Reference) -> None:
    with closing(bobs.connections.engine.raw_connection()) as raw:
        wire: Any = raw.driver_connection.pgconn  # type: ignore[union-attr]
    with bobs.called_by("bob") as connections, connections.get_connection() as connection:
        connection.execute(text("SELECT 1"))
        assert wire.exec_(b"SELECT current_user").get_value(0, 0) == b"bob"  # code in the process is trusted


# --- other ways ---------------------------------------------------------------------------------------------------


@on_postgresql
def test_copy_that_changes_the_role_is_noticed(bobs: Reference) -> None:
    with closing(bobs.connections.engine.raw_connection()) as raw:
        cursor: Any = raw.cursor()
        with cursor.copy("COPY (SELECT set_config('role', 'bob', false)) TO STDOUT") as copy:
            assert list(copy)
        raw.commit()

    assert bobs.physical_count == 0
    assert [event.reason for event in bobs.audit.events] == ["CF-SQL-032"]


@on_postgresql
def test_a_role_in_the_options_of_the_connection_asserts_nobody(
    bobs: Reference, database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    properties = {"url": database.url, "connect_args": {"options": "-c role=bob"}}
    optional = make_reference(properties=properties, trusted=("ledger_pool", marker))

    for _ in range(2):
        assert ask(optional, "alice", "SELECT current_user") == "alice"
        assert ask(optional, "alice", "SELECT count(*) FROM ledger") == 0


@on_postgresql
def test_a_pool_of_somebody_elses_over_ours_cannot_undo_the_switch(bobs: Reference) -> None:
    ours = bobs.connections.engine
    with create_engine(ours.url, pool=ours.pool).connect() as connection:
        connection.rollback()
        assert connection.execute(text("SELECT current_user")).scalar_one() == "alice"


# --- the documentation --------------------------------------------------------------------------------------------


def documented_rows() -> dict[str, list[str]]:
    """Of the table of attacks: each one's name, and what the three columns say."""
    rows = re.findall(r"^\| (.+?) \| (.+?) \| (.+?) \| (.+?) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {name.replace("`", ""): list(columns) for name, *columns in rows if name not in {"attack", "---"}}


def test_the_documented_table_has_a_row_for_each_attack_with_its_verdict() -> None:
    documented = {name: columns[0] for name, columns in documented_rows().items()}
    expected = {name: attack.verdict.value for name, attack in ATTACKS.items()}
    expected |= {name: verdict.value for name, verdict in OTHERS.items()}

    assert documented == expected


def test_the_documented_columns_of_other_ways_say_what_is_tested() -> None:
    rows = documented_rows()

    assert {columns[1] for name, columns in rows.items() if name in ATTACKS} == {"confined"}
    assert {name for name, columns in rows.items() if columns[2] == "confined"} == set(ON_MARIADB)


def test_each_attack_that_is_no_sql_has_a_test_of_its_own() -> None:
    words = {
        "a Connection or Session that was kept": "a_connection_or_session_that_was_kept",
        "a cursor that was kept": "a_cursor_that_was_kept",
        "the driver's connection that was kept": "the_drivers_connection_that_was_kept",
        "an adapter or a handler on the driver's connection": "an_adapter_or_handler_on_the_drivers_connection",
        "libpq's connection that was kept": "libpqs_connection_that_was_kept",
        "COPY that changes the role": "copy_that_changes_the_role",
        "a role in the options of the connection": "a_role_in_the_options_of_the_connection",
    }
    assert set(words) == set(OTHERS)
    assert all(any(name.startswith(f"test_{beginning}") for name in globals()) for beginning in words.values())
