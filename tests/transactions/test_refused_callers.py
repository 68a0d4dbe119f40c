"""A caller who is refused by his first statement within a unit of work: nothing was done, and that is what is said."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pytest
from sqlalchemy import text
from support_till import Till

from connector.errors import AccessDenied, TransactionError

pytestmark = pytest.mark.postgresql

WRITE = "INSERT INTO entries (what) VALUES ('mine')"


@pytest.fixture
def revoked(till: Till) -> Iterator[Any]:
    """A container whose connection has had alice, who is alice, and whom the database takes alice's role from."""
    with till.open() as container, container.run_as(container._parts.identity.assert_user("alice")):
        with container.application("till").lookup("trusted").get_connection() as connection:
            connection.execute(text("SELECT 1"))
        till.server.run_sql("REVOKE alice FROM till_pool")
        try:
            yield container
        finally:
            till.server.run_sql("GRANT alice TO till_pool")


@pytest.mark.parametrize("alone", [True, False])
def test_an_application_that_goes_on_all_the_same_commits_nothing(
    till: Till, revoked: Any, alone: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """By the driver itself, which tells SQLAlchemy nothing. Not OutcomeUnknown: nothing was there to be lost."""
    with pytest.raises(TransactionError, match="CF-TX-003"), revoked.transaction():
        if not alone:
            with revoked.lookup("shop").get_connection() as connection:
                connection.execute(text(WRITE))
        with revoked.application("till").lookup("trusted").get_connection() as connection, suppress(AccessDenied):
            connection.connection.driver_connection.execute(WRITE)
    assert till.entries("bank") == till.entries("shop") == []
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []


@pytest.mark.parametrize("by_driver", [True, False])
def test_an_application_that_doesnt_is_told_why(
    till: Till, revoked: Any, by_driver: bool, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(AccessDenied, match="CF-SQL-021"), revoked.transaction():
        with revoked.lookup("shop").get_connection() as connection:
            connection.execute(text(WRITE))
        with revoked.application("till").lookup("trusted").get_connection() as connection:
            if by_driver:
                connection.connection.driver_connection.execute(WRITE)
            else:
                connection.execute(text(WRITE))
    assert till.entries("bank") == till.entries("shop") == []
    assert [record.message for record in caplog.records if record.levelno >= logging.ERROR] == []
