"""A lease that ends in the middle of something on the wire: nobody gets that session, or it is clean (TRUST-3)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError
from support_sql import Reference

from connector.errors import ConnectorError

pytestmark = pytest.mark.postgresql

KEPT: list[Any] = []


def pipeline(driver: Any) -> None:
    KEPT.append(mode := driver.pipeline())
    mode.__enter__()
    driver.execute("SET ROLE bob")


def pipeline_after_autocommit(driver: Any) -> None:
    driver.autocommit = True
    pipeline(driver)


def copy_in(driver: Any) -> None:
    driver.execute("CREATE TEMPORARY TABLE scratch (what text)")
    KEPT.append(copy := driver.cursor().copy("COPY scratch FROM STDIN"))
    copy.__enter__().write("half a li")


def copy_out(driver: Any) -> None:
    KEPT.append(copy := driver.cursor().copy("COPY (SELECT generate_series(1, 1000000)) TO STDOUT"))
    next(iter(copy.__enter__()))


def stream(driver: Any) -> None:
    KEPT.append(rows := driver.cursor().stream("SELECT generate_series(1, 1000000)"))
    next(rows)


def sent_and_not_read(driver: Any) -> None:
    driver.pgconn.send_query(b"SET ROLE bob; SELECT pg_sleep(0.05)")


def transaction_block(driver: Any) -> None:
    KEPT.append(block := driver.transaction())
    block.__enter__()
    driver.execute("SET LOCAL ROLE bob")


def failed_transaction(driver: Any) -> None:
    with suppress(psycopg.Error):
        driver.execute("SELECT 1 / 0")


@pytest.mark.parametrize(
    "leave",
    [pipeline, pipeline_after_autocommit, copy_in, copy_out, stream, sent_and_not_read, transaction_block,
     failed_transaction],
)  # fmt: skip
def test_what_is_left_in_the_middle_reaches_nobody(ledger: Reference, leave: Callable[[Any], None]) -> None:
    raw = ledger.connections.engine.raw_connection()
    leave(raw.driver_connection)
    with suppress(DBAPIError, psycopg.Error, ConnectorError):
        raw.close()
    try:
        for caller in ("bob", "alice"):
            with ledger.called_by(caller) as connections, connections.get_connection() as connection:
                found = connection.exec_driver_sql("SELECT current_user, session_user, count(*) FROM ledger").fetchone()
                assert found == (caller, "ledger_pool", 0)
    finally:
        while KEPT:
            kept = KEPT.pop()
            with suppress(psycopg.Error, ConnectorError, RuntimeError):
                kept.close() if hasattr(kept, "close") else kept.__exit__(None, None, None)
