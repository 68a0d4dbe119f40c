"""On one event loop many callers sign on by ticket at once, and none by another's (POOL-7, SIGN-6)."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from support_async_pool import run
from support_kerberos import NAME, Realm
from support_mapped import WHO, MappedReference, called
from support_signon import ALICE, BOB

from connector.errors import ConnectionFailed
from connector.spi import KerberosCredential, Subject

pytestmark = pytest.mark.kerberos


async def who(reference: MappedReference, caller: Subject) -> tuple[Any, ...]:
    with reference.asked_by(caller) as connections:
        async with connections.get_async_connection() as connection:
            return tuple((await connection.execute(WHO)).one())


async def close(*references: MappedReference) -> None:
    """While their loop still can."""
    for reference in references:
        for pool in list(reference.async_pools._pools.values()):
            await pool.close()


def test_tasks_that_sign_on_at_once_get_the_identity_of_their_own_caller(make_mapped: Any) -> None:
    async def scene() -> None:
        callers = [ALICE, BOB] * 4
        references = [make_mapped(source="constrained") for _ in callers]
        seen = await asyncio.gather(*map(who, references, callers))
        assert seen == [("alice", f"alice@{NAME}"), ("bob", f"bob@{NAME}")] * 4
        await close(*references)

    run(scene())


def test_the_session_is_kept_and_serves_its_caller_again(make_mapped: Any) -> None:
    async def scene() -> None:
        reference = make_mapped(source="constrained")
        assert [(await who(reference, caller))[0] for caller in (ALICE, BOB, ALICE)] == ["alice", "bob", "alice"]
        assert reference.async_count == 2
        await close(reference)

    run(scene())


def test_a_ticket_that_was_brought_signs_on_as_well(make_mapped: Any, realm: Realm) -> None:
    from connector_kerberos import from_cache

    async def scene() -> None:
        reference = make_mapped()
        bob = called("bob", from_cache(realm.ticket("bob")))
        assert await who(reference, bob) == ("bob", f"bob@{NAME}")
        await close(reference)

    run(scene())


def test_the_loop_goes_on_while_somebody_signs_on(make_mapped: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that connects waits for what another task does: on the loop's own thread that would never end."""
    import psycopg

    let_connect, plain = threading.Event(), psycopg.Connection.connect

    def patient(*positional: Any, **named: Any) -> Any:
        assert let_connect.wait(20)
        return plain(*positional, **named)

    monkeypatch.setattr(psycopg.Connection, "connect", patient)

    async def scene() -> None:
        reference = make_mapped(source="constrained")
        signing_on = asyncio.create_task(who(reference, ALICE))
        await asyncio.sleep(0)
        let_connect.set()
        assert (await signing_on)[0] == "alice"
        await close(reference)

    run(scene())


def test_who_gives_up_leaves_no_session_behind(make_mapped: Any, server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import psycopg

    begun, let_connect, ended = threading.Event(), threading.Event(), threading.Event()
    plain, plain_close = psycopg.Connection.connect, psycopg.Connection.close

    def patient(*positional: Any, **named: Any) -> Any:
        begun.set()
        assert let_connect.wait(20)
        return plain(*positional, **named)

    def closing(connection: Any) -> None:
        plain_close(connection)
        ended.set()

    monkeypatch.setattr(psycopg.Connection, "connect", patient)
    monkeypatch.setattr(psycopg.Connection, "close", closing)

    async def scene() -> None:
        from connector_sql.ticket_on_loop import connecting_by_ticket

        reference = make_mapped(source="constrained")
        with reference.asked_by(ALICE):
            credential = next(iter(reference.current_plan().subject.credentials_of(KerberosCredential)))
        connect = connecting_by_ticket(credential, f"postgres@{server.host}")
        address = {"host": server.host, "port": server.port, "dbname": "postgres"}
        task = asyncio.ensure_future(connect(user="alice", gssencmode="prefer", **address))
        assert await asyncio.to_thread(begun.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        let_connect.set()
        assert await asyncio.to_thread(ended.wait, 20)

    run(scene())


def test_a_refusal_is_told_as_it_is_to_threads(make_mapped: Any) -> None:
    async def scene() -> None:
        reference = make_mapped(source="constrained", service="flagless")
        with pytest.raises(ConnectionFailed, match="CF-KRB-"):
            await who(reference, ALICE)
        await close(reference)

    run(scene())
