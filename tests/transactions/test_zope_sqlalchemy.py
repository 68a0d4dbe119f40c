"""FLOW-8: sessions over engines of an application's own, in a unit by zope.sqlalchemy (docs/transactions.md)."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zope.sqlalchemy
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.orm import Session
from support_transactions import FakeParticipant, FakeResource, refuse, transactions_in

from connector.errors import TransactionError
from connector.transactions.service import Transactions


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    made = transactions_in(tmp_path / "t")
    yield made
    made.close()


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = create_engine(f"sqlite:///{tmp_path / 'own.db'}")
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE entries (what text)"))
    yield made
    made.dispose()


def entries(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.scalars(text("SELECT what FROM entries")))


def write(unit: Any, engine: Engine) -> None:
    session = Session(engine)
    zope.sqlalchemy.register(session, transaction_manager=unit.manager)
    session.execute(text("INSERT INTO entries VALUES ('own')"))
    zope.sqlalchemy.mark_changed(session)


def test_what_it_writes_is_committed_with_the_unit(transactions: Transactions, engine: Engine) -> None:
    bank = FakeResource("bank")
    with transactions.unit() as unit:
        unit.enlist(FakeParticipant(bank))
        write(unit, engine)
        assert entries(engine) == []
    assert entries(engine) == ["own"]
    assert bank.calls[-1].startswith("commit")


@pytest.mark.parametrize(
    ("spoil", "code"),
    [(lambda unit, bank: unit.set_rollback_only(), "CF-TX-003"), (lambda unit, bank: no_at(bank), "CF-TX-003")],
    ids=["marked for rollback", "a participant's no"],
)
def test_what_it_writes_goes_with_the_unit(
    transactions: Transactions, engine: Engine, spoil: Callable[[Any, FakeResource], None], code: str
) -> None:
    banks = FakeResource("bank"), FakeResource("shop")
    with pytest.raises(TransactionError, match=code), transactions.unit() as unit:
        for bank in banks:
            unit.enlist(FakeParticipant(bank))
        write(unit, engine)
        spoil(unit, banks[1])
    assert entries(engine) == []
    assert all("commit" not in bank.calls for bank in banks)


def no_at(resource: FakeResource) -> None:
    resource.on_call = refuse("prepare")
