"""The documentation's roles and row policies, run as they stand there (TRUST-1)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from support_sql import Database, MakeReference, Reference

from connector import Secret

pytestmark = pytest.mark.postgresql

PAGE = Path(__file__).parents[2] / "docs" / "trusted-connections.md"


@pytest.fixture
def shop(database: Database, make_reference: MakeReference, marker: Secret) -> Iterator[Reference]:
    """A reference over the documented table, in a database of its own."""
    [sql] = re.findall(r"```sql\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    database.run_sql("CREATE DATABASE shop")
    database.server.run_sql(sql.replace("'…'", f"'{marker.reveal()}'"), "shop")
    url = database.url.replace("/postgres", "/shop")
    reference = make_reference(properties={"url": url, "trust_domain": ["shop_*"]}, trusted=("shop_pool", marker))
    yield reference
    reference.close()
    database.run_sql("DROP DATABASE shop WITH (FORCE)")
    database.run_sql("DROP ROLE shop_pool, shop_alice, shop_bob, shop_caller")


def orders(reference: Reference, caller: str) -> list[tuple[str, str]]:
    with reference.called_by(caller) as connections, connections.get_connection() as connection:
        return [(row.item, row.owner) for row in connection.execute(text("SELECT item, owner FROM orders ORDER BY id"))]


def test_each_caller_sees_and_writes_rows_of_their_own_only(shop: Reference) -> None:
    for caller, item in (("shop_alice", "tea"), ("shop_bob", "rope")):
        with shop.called_by(caller) as connections, connections.engine.begin() as connection:
            connection.execute(text("INSERT INTO orders (item) VALUES (:item)"), {"item": item})

    assert orders(shop, "shop_alice") == [("tea", "shop_alice")]
    assert orders(shop, "shop_bob") == [("rope", "shop_bob")]
    assert shop.physical_count == 1


def test_nobody_writes_a_row_in_anothers_name(shop: Reference) -> None:
    with (
        shop.called_by("shop_alice") as connections,
        pytest.raises(ProgrammingError, match="row-level security"),
        connections.engine.begin() as connection,
    ):
        connection.execute(text("INSERT INTO orders (item, owner) VALUES ('bill', 'shop_bob')"))
