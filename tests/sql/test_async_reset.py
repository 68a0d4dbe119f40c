"""Taking a session back on asyncio: the same promises as for threads (TRUST-3)."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from support_async_pool import run
from support_attacks import ATTACKS, Attack, Verdict
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector_sql import postgresql_role

pytestmark = pytest.mark.postgresql

WHO = text("SELECT current_user, pg_backend_pid()")
NOTICED = {name: attack for name, attack in ATTACKS.items() if attack.verdict is Verdict.NOTICED}


async def work(reference: Reference, caller: str) -> int:
    with reference.called_by(caller) as connections:
        async with connections.get_async_connection() as connection:
            user, process = (await connection.execute(WHO)).one()
            await connection.execute(text("SET statement_timeout TO '77s'"))
            await connection.commit()
            assert user == caller
            return int(process)


def free_connection(reference: Reference) -> Any:
    [pool] = reference.async_pools._pools.values()
    [entry] = pool._state.entries
    return entry.physical


def on_loop(reference: Reference, scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def with_close() -> None:
        await scene()
        for pool in list(reference.async_pools._pools.values()):
            await pool.close()

    run(with_close())


def test_a_session_is_taken_back_on_return(ledger: Reference) -> None:
    async def scene() -> None:
        process = await work(ledger, "alice")
        assert await work(ledger, "bob") == process
        assert await free_connection(ledger).validate()

    on_loop(ledger, scene)


def test_a_refused_reset_costs_the_connection_before_anybody_gets_it(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scene() -> None:
        with monkeypatch.context() as patched:
            patched.setattr(postgresql_role, "reset_beside_others", lambda _version: b"SELECT 1/0")
            process = await work(ledger, "alice")
        assert ledger.async_count == 0
        assert await work(ledger, "bob") != process

    on_loop(ledger, scene)


def test_a_server_that_is_newer_than_this_is_told_to_discard_all(
    ledger: Reference, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgresql_role, "reset_beside_others", lambda _version: b"")

    async def scene() -> None:
        process = await work(ledger, "alice")
        with ledger.called_by("bob") as connections:
            async with connections.get_async_connection() as connection:
                assert tuple((await connection.execute(WHO)).one()) == ("bob", process)
                assert (await connection.execute(text("SHOW statement_timeout"))).scalar_one() == "0"

    on_loop(ledger, scene)


def test_a_connection_that_died_while_it_was_free_is_found_by_validation(ledger: Reference, database: Database) -> None:
    async def scene() -> None:
        await work(ledger, "alice")
        database.end_all_backends()
        assert await free_connection(ledger).validate() is False

    on_loop(ledger, scene)


def test_a_lease_without_a_caller_has_nothing_of_the_one_before(
    ledger: Reference, make_reference: MakeReference, marker: Secret
) -> None:
    direct = make_reference(properties={}, trusted=("ledger_pool", marker), shares=ledger, name="direct")
    direct.caller = ""

    async def scene() -> None:
        process = await work(ledger, "alice")
        async with direct.connections.get_async_connection() as connection:
            assert tuple((await connection.execute(WHO)).one()) == ("ledger_pool", process)
            assert (await connection.execute(text("SHOW statement_timeout"))).scalar_one() == "0"
            raw: Any = await connection.get_raw_connection()
            assert raw.driver_connection.info.transaction_status

    on_loop(ledger, scene)


def test_the_drivers_connection_that_was_kept_is_dead_and_its_adapters_are_gone(ledger: Reference) -> None:
    class Fake(psycopg.adapt.Loader):
        def load(self, data: Any) -> str:
            return "FAKE"

    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            raw: Any = await connection.get_raw_connection()
            kept, facade = raw.driver_connection, raw.dbapi_connection
            kept.adapters.register_loader("name", Fake)
        with ledger.called_by("bob") as connections:
            async with connections.get_async_connection() as connection:
                assert (await connection.execute(text("SELECT current_user"))).scalar_one() == "bob"
                assert facade.closed
                with pytest.raises(psycopg.OperationalError, match="closed"):
                    await kept.execute("SELECT 1")

    on_loop(ledger, scene)


@pytest.mark.parametrize("attack", NOTICED.values(), ids=NOTICED.keys())
def test_an_attack_that_is_noticed_costs_the_connection_and_is_reported(ledger: Reference, attack: Attack) -> None:
    async def scene() -> None:
        async with ledger.connections.get_async_connection() as connection:
            raw: Any = await connection.get_raw_connection()
            await raw.driver_connection.set_autocommit(True)
            for statement in attack.statements:
                await raw.driver_connection.execute(statement)
        assert ledger.async_count == 0
        assert [event.reason for event in ledger.audit.events] == ["CF-SQL-032"]

    on_loop(ledger, scene)
