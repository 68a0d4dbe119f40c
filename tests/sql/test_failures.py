"""Wrong passwords, servers that are gone: one clear error, no password in it, and work goes on afterwards."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from support_secrets import shows_marker
from support_security import variables_showing
from support_sql import Database, MakeReference, Reference

from connector import Secret
from connector.errors import AccessDenied, ConnectionFailed, HandleClosed, LoginRefused, SignOnError
from connector.spi import IdentityAssertion, PasswordCredential, Subject

WHO = text("SELECT current_user")


@pytest.mark.postgresql
def test_each_caller_can_sign_on_with_a_password_of_its_own(
    database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    reference = make_reference(properties={"url": database.url}, passwords={"carol": marker})

    with reference.called_by("carol") as connections, connections.get_connection() as connection:
        assert connection.execute(WHO).scalar_one() == "carol"


@pytest.mark.postgresql
@pytest.mark.parametrize("typed", [str, Secret])
def test_user_and_password_may_be_given_in_the_call(
    database: Database, make_reference: MakeReference, marker: Secret, typed: type[str | Secret]
) -> None:
    reference = make_reference(properties={"url": database.url})

    with reference.connections.get_connection("carol", typed(marker.reveal())) as connection:
        assert connection.execute(WHO).scalar_one() == "carol"


@pytest.mark.postgresql
@pytest.mark.parametrize("user", ["carol", "nobody_such", "alice"])
def test_a_wrong_password_is_refused_with_its_code(
    database: Database, make_reference: MakeReference, marker: Secret, user: str
) -> None:
    reference = make_reference(properties={"url": database.url})

    with pytest.raises(LoginRefused) as refused:
        reference.connections.get_connection(user, marker.reveal() + " wrong")

    assert refused.value.code == "CF-SQL-011"
    assert user in str(refused.value)
    assert shows_marker(refused.value) == []
    assert variables_showing(marker.reveal(), refused.value) == []
    assert not refused.value.retryable


@pytest.mark.postgresql
def test_a_missing_database_is_no_refusal_of_the_credential(
    database: Database, make_reference: MakeReference, marker: Secret
) -> None:
    reference = make_reference(properties={"url": database.url + "_missing"}, passwords={"carol": marker})

    with reference.called_by("carol") as connections, pytest.raises(ConnectionFailed, match="does not exist") as failed:
        connections.get_connection()

    assert failed.value.code == "CF-SQL-012"
    assert not isinstance(failed.value, LoginRefused)


def test_an_unreachable_server_is_reported_without_the_password(make_reference: MakeReference, marker: Secret) -> None:
    url = "postgresql+psycopg://127.0.0.1:1/ledger"
    reference = make_reference(properties={"url": url}, passwords={"alice": marker})

    with pytest.raises(ConnectionFailed) as failed:
        reference.connections.get_connection()

    assert failed.value.code == "CF-SQL-012"
    assert failed.value.retryable
    assert "127.0.0.1:1/ledger" in str(failed.value)
    assert shows_marker(failed.value) == []
    assert variables_showing(marker.reveal(), failed.value) == []


def test_a_connect_argument_that_the_driver_does_not_know_is_reported(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://", "connect_args": {"no_such": 1}})

    with pytest.raises(ConnectionFailed, match="no_such"):
        reference.connections.get_connection()


@pytest.mark.parametrize("subject", [None, Subject(), Subject(credentials=[PasswordCredential("x", Secret("y"))])])
def test_a_server_is_never_asked_without_a_user_of_its_own(
    make_reference: MakeReference, subject: Subject | None
) -> None:
    reference = make_reference(properties={"url": "postgresql+psycopg://127.0.0.1:1/ledger"})

    with pytest.raises(SignOnError) as refused:
        reference.factory.create_managed_connection(subject, None)

    assert refused.value.code == "CF-SQL-010"


@pytest.mark.postgresql
def test_a_server_that_stops_in_the_middle_is_reported_and_work_goes_on_when_it_is_back(
    ledger: Reference, database: Database
) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(WHO)
        database.server.kill()
        try:
            with pytest.raises(OperationalError) as broken:
                connection.execute(WHO)
            assert broken.value.connection_invalidated
            with pytest.raises(ConnectionFailed):
                ledger.connections.get_connection()
            assert ledger.physical_count == 0
        finally:
            database.server.restart()

    with ledger.connections.get_connection() as connection:
        assert connection.execute(WHO).scalar_one() == "alice"


@pytest.mark.postgresql
def test_a_connection_that_died_in_the_pool_is_replaced_unnoticed(ledger: Reference, database: Database) -> None:
    with ledger.connections.get_connection() as connection:
        connection.execute(WHO)
    database.end_all_backends()

    with ledger.called_by("bob") as connections, connections.get_connection() as connection:
        assert connection.execute(WHO).scalar_one() == "bob"
    assert ledger.physical_count == 1


@pytest.mark.postgresql
def test_a_connection_that_died_before_the_switch_is_reported_as_broken(ledger: Reference, database: Database) -> None:
    plan = ledger.current_plan()
    physical = ledger.factory.create_managed_connection(plan.subject, None)
    assert plan.asserted is not None
    database.end_all_backends()

    with pytest.raises(ConnectionFailed) as failed:
        physical.switch_identity(plan.asserted)
    physical.destroy()
    physical.destroy()

    assert failed.value.code == "CF-SQL-022"


@pytest.mark.postgresql
def test_a_connection_that_was_reset_for_a_caller_who_is_refused_is_closed_all_the_same(ledger: Reference) -> None:
    physical = ledger.factory.create_managed_connection(ledger.current_plan().subject, None)
    physical.cleanup()  # the login role itself has used it, so that it is reset for whoever comes next

    with pytest.raises(AccessDenied, match="CF-SQL-021"):
        physical.switch_identity(IdentityAssertion("nobody_there", "test", factory=ledger.factory))
    driver: Any = physical.dbapi_connection
    assert not driver.closed
    physical.destroy()

    assert driver.closed


@pytest.mark.postgresql
def test_a_dead_connection_is_not_valid(ledger: Reference, database: Database) -> None:
    lease = ledger.allocate()
    assert lease.physical.validate()
    database.end_all_backends()

    assert not lease.physical.validate()
    lease.invalidate()


@pytest.mark.postgresql
def test_nothing_shows_the_password_of_a_live_connection(ledger: Reference) -> None:
    with ledger.connections.get_connection() as connection:
        shown = [connection, connection.connection, connection.engine, ledger.connections, ledger.factory]
        shown += [connection.engine.pool, connection.engine.url, ledger.factory.settings]
        assert [shows_marker(thing) for thing in shown] == [[] for _ in shown]


def test_a_raw_connection_is_dead_after_closing(make_reference: MakeReference) -> None:
    reference = make_reference(properties={"url": "sqlite://"})
    raw = reference.connections.engine.raw_connection()
    raw.close()
    raw.close()

    for use in (raw.cursor, raw.commit, raw.rollback, raw.detach, lambda: raw.execute):
        with pytest.raises(HandleClosed) as refused:
            use()
        assert refused.value.code == "CF-SQL-040"
    assert (raw.is_valid, raw.dbapi_connection, raw.driver_connection) == (False, None, None)
