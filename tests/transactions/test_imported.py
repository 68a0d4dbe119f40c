"""Imported transactions: one work at a time, ended by their superior, kept over a restart once prepared."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from support_pool import FakeClock
from support_transactions import FakeParticipant, FakeResource, Refusal, refuse, transactions_in

from connector.errors import TransactionError, WorkCompletedWithError
from connector.spi import TransactionContext, Vote, WorkErrorCode
from connector.transactions import imported
from connector.transactions.service import Transactions


@pytest.fixture
def transactions(tmp_path: Path) -> Iterator[Transactions]:
    made = transactions_in(tmp_path / "t")
    yield made
    made.close()


def work(transactions: Transactions, xid: str, *resources: FakeResource, timeout: float | None = None) -> None:
    """A work of a transaction."""
    with transactions.imported.around(TransactionContext(xid, timeout)):
        unit = transactions.current()
        assert unit is not None
        for resource in resources:
            unit.enlist(FakeParticipant(resource))


def test_works_of_one_transaction_are_one_unit_and_its_superior_commits_it(transactions: Transactions) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    work(transactions, "x1", bank)
    assert transactions.current() is None
    work(transactions, "x1", shop)
    terminator = transactions.terminator
    assert terminator.prepare("x1") is Vote.PREPARED
    assert terminator.in_doubt() == ("x1",)
    assert (bank.calls, shop.calls) == (["prepare"], ["prepare"])
    terminator.commit("x1")
    assert bank.calls == shop.calls == ["prepare", "commit"]
    assert terminator.in_doubt() == ()
    with pytest.raises(TransactionError) as caught:
        terminator.commit("x1")
    assert caught.value.code == "CF-TX-041"


def test_in_one_phase_it_is_prepared_and_decided_here(transactions: Transactions) -> None:
    bank, old = FakeResource("bank"), FakeResource("old")
    with transactions.imported.around(TransactionContext("x1")):
        unit = transactions.current()
        assert unit is not None
        unit.enlist(FakeParticipant(bank))
        unit.enlist(FakeParticipant(old, two_phase=False))
    transactions.terminator.commit("x1", one_phase=True)
    assert bank.calls == ["prepare", "commit"]
    assert old.calls == ["commit:one-phase"]


def test_its_superior_rolls_it_back_prepared_or_not(transactions: Transactions) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    work(transactions, "x1", bank)
    transactions.terminator.rollback("x1")
    assert bank.calls == ["rollback"]
    work(transactions, "x2", shop)
    transactions.terminator.prepare("x2")
    transactions.terminator.rollback("x2")
    assert list(shop.outcomes.values()) == ["rolled back"]
    assert dict(transactions.log.open_units) == {}


def test_a_no_at_prepare_rolls_it_back_and_ends_it(transactions: Transactions) -> None:
    bank, shop = FakeResource("bank"), FakeResource("shop")
    shop.on_call = refuse("prepare")
    work(transactions, "x1", bank, shop)
    with pytest.raises(TransactionError) as caught:
        transactions.terminator.prepare("x1")
    assert caught.value.code == "CF-TX-003"
    assert bank.calls == ["prepare", "rollback"]
    with pytest.raises(TransactionError) as unknown:
        transactions.terminator.rollback("x1")
    assert unknown.value.code == "CF-TX-041"


def test_one_that_only_read_has_ended_when_it_is_prepared(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    with transactions.imported.around(TransactionContext("x1")):
        unit = transactions.current()
        assert unit is not None
        unit.enlist(FakeParticipant(bank, read_only=True))
    assert transactions.terminator.prepare("x1") is Vote.READ_ONLY
    assert transactions.terminator.in_doubt() == ()
    assert transactions.running == ()


def test_what_cant_prepare_is_not_prepared(transactions: Transactions) -> None:
    old = FakeResource("old")
    with transactions.imported.around(TransactionContext("x1")):
        unit = transactions.current()
        assert unit is not None
        unit.enlist(FakeParticipant(old, two_phase=False))
    with pytest.raises(TransactionError, match="can't prepare"):
        transactions.terminator.prepare("x1")
    assert old.calls == ["rollback"]


def test_a_second_work_at_the_same_time_is_refused_and_so_is_the_end(transactions: Transactions) -> None:
    with transactions.imported.around(TransactionContext("x1")):
        refused: list[BaseException] = []

        def second() -> None:
            try:
                work(transactions, "x1", FakeResource("bank"))
            except WorkCompletedWithError as error:
                refused.append(error)

        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
        (error,) = refused
        assert isinstance(error, WorkCompletedWithError)
        assert error.error_code is WorkErrorCode.CONCURRENT_WORK_DISALLOWED
        for end in (transactions.terminator.prepare, transactions.terminator.commit, transactions.terminator.rollback):
            with pytest.raises(TransactionError) as caught:
                end("x1")
            assert caught.value.code == "CF-TX-042"
        work(transactions, "x2", FakeResource("bank"))  # another transaction's work is not
    transactions.terminator.rollback("x1")
    transactions.terminator.rollback("x2")


def test_a_work_after_prepare_is_refused(transactions: Transactions) -> None:
    work(transactions, "x1", FakeResource("bank"))
    transactions.terminator.prepare("x1")
    with pytest.raises(WorkCompletedWithError) as caught:
        work(transactions, "x1", FakeResource("shop"))
    assert caught.value.error_code is WorkErrorCode.CONCURRENT_WORK_DISALLOWED
    transactions.terminator.rollback("x1")


def test_it_is_not_committed_unprepared_nor_prepared_in_one_phase(transactions: Transactions) -> None:
    work(transactions, "x1", FakeResource("bank"))
    with pytest.raises(TransactionError, match="not been prepared"):
        transactions.terminator.commit("x1")
    transactions.terminator.prepare("x1")
    with pytest.raises(TransactionError, match="not in one phase"):
        transactions.terminator.commit("x1", one_phase=True)
    transactions.terminator.commit("x1")


def test_a_work_that_raises_leaves_it_to_the_superior(transactions: Transactions) -> None:
    bank = FakeResource("bank")

    def raising() -> None:
        with transactions.imported.around(TransactionContext("x1")):
            unit = transactions.current()
            assert unit is not None
            unit.enlist(FakeParticipant(bank))
            raise Refusal

    with pytest.raises(Refusal):
        raising()
    assert bank.calls == []
    transactions.terminator.rollback("x1")
    assert bank.calls == ["rollback"]


@pytest.mark.parametrize("commit", [True, False])
def test_prepared_it_outlives_a_kill_and_waits_for_its_superior(tmp_path: Path, commit: bool) -> None:
    bank = FakeResource("bank")
    first = transactions_in(tmp_path / "t")
    work(first, "x1", bank)
    first.terminator.prepare("x1")
    first.close()  # and nothing else happens there any more
    again = transactions_in(tmp_path / "t")
    again.recover("bank", bank)
    assert len(bank.prepared) == 1, "nothing is presumed of it"
    assert again.terminator.in_doubt() == ("x1",)
    assert [one.in_doubt for one in again.unfinished()] == [True]
    with pytest.raises(WorkCompletedWithError):
        work(again, "x1", bank)
    (again.terminator.commit if commit else again.terminator.rollback)("x1")
    assert list(bank.outcomes.values()) == ["committed" if commit else "rolled back"]
    assert again.terminator.in_doubt() == ()
    again.close()


def test_unprepared_it_does_not_outlive_one(tmp_path: Path) -> None:
    bank = FakeResource("bank")
    first = transactions_in(tmp_path / "t")
    work(first, "x1", bank)
    first.close()
    again = transactions_in(tmp_path / "t")
    with pytest.raises(TransactionError) as caught:
        again.terminator.commit("x1")
    assert caught.value.code == "CF-TX-041"
    again.close()


def test_an_operator_decides_for_a_superior_that_is_gone(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    work(transactions, "x1", bank)
    transactions.terminator.prepare("x1")
    (doubt,) = transactions.unfinished()
    transactions.decide(doubt.unit, commit=False)
    assert list(bank.outcomes.values()) == ["rolled back"]


def test_its_time_begins_with_its_first_work(tmp_path: Path) -> None:
    clock = FakeClock()
    transactions = transactions_in(tmp_path / "t", clock)
    work(transactions, "x1", FakeResource("bank"), timeout=30.0)
    clock.now += 30.0
    with pytest.raises(TransactionError, match="30 s is over"):
        transactions.terminator.prepare("x1")
    transactions.close()


@pytest.mark.parametrize("xid", ["", "x" * 301, 7])
def test_an_identifier_is_text_of_some_length(transactions: Transactions, xid: str) -> None:
    with pytest.raises(TransactionError) as caught:
        work(transactions, xid)
    assert caught.value.code == "CF-TX-043"


def test_over_its_time_it_is_rolled_back_between_two_works_and_its_superior_hears_of_it(tmp_path: Path) -> None:
    clock, bank = FakeClock(), FakeResource("bank")
    transactions = transactions_in(tmp_path / "t", clock)
    work(transactions, "x1", bank, timeout=30)
    clock.now += 29
    transactions.look()
    assert bank.calls == []
    clock.now += 1
    transactions.look()
    assert bank.calls == ["rollback"]
    assert transactions.running == ()
    with pytest.raises(WorkCompletedWithError, match="rolled back"):  # not begun anew: half of it is gone
        work(transactions, "x1", bank, timeout=30)
    with pytest.raises(TransactionError, match="CF-TX-044"):
        transactions.terminator.prepare("x1")
    with pytest.raises(TransactionError, match="CF-TX-041"):  # its superior has heard of it
        transactions.terminator.prepare("x1")
    transactions.close()


def test_a_superior_that_rolls_back_what_is_rolled_back_is_content(tmp_path: Path) -> None:
    clock, bank = FakeClock(), FakeResource("bank")
    transactions = transactions_in(tmp_path / "t", clock)
    work(transactions, "x1", bank, timeout=30)
    clock.now += 31
    transactions.look()
    transactions.terminator.rollback("x1")
    assert bank.calls == ["rollback"]
    work(transactions, "x1", bank)  # forgotten: the identifier is free
    transactions.close()


def test_over_its_time_within_a_work_it_is_left_to_the_work(tmp_path: Path) -> None:
    clock, bank = FakeClock(), FakeResource("bank")
    transactions = transactions_in(tmp_path / "t", clock)
    with transactions.imported.around(TransactionContext("x1", 30)):
        unit = transactions.current()
        assert unit is not None
        unit.enlist(FakeParticipant(bank))
        clock.now += 31
        transactions.look()
        assert bank.calls == []
    transactions.look()
    assert bank.calls == ["rollback"]
    transactions.close()


def test_what_is_prepared_has_no_time_any_more(tmp_path: Path) -> None:
    clock, bank = FakeClock(), FakeResource("bank")
    transactions = transactions_in(tmp_path / "t", clock)
    work(transactions, "x1", bank, timeout=30)
    transactions.terminator.prepare("x1")
    clock.now += 1000
    transactions.look()
    transactions.terminator.commit("x1")
    assert bank.calls == ["prepare", "commit"]
    transactions.close()


def test_an_operator_rolls_back_one_whose_superior_is_silent(transactions: Transactions) -> None:
    bank = FakeResource("bank")
    work(transactions, "x1", bank)
    (unit,) = transactions.running
    with pytest.raises(TransactionError, match="CF-TX-024"):
        transactions.decide(unit.id, commit=True)
    transactions.decide(unit.id, commit=False)
    assert bank.calls == ["rollback"]
    with pytest.raises(TransactionError, match="CF-TX-044"):
        transactions.terminator.commit("x1", one_phase=True)


def test_of_rolled_back_ones_whose_superior_never_speaks_the_oldest_are_forgotten(
    transactions: Transactions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(imported, "_MOST_ABANDONED", 2)
    for number in range(3):
        work(transactions, f"x{number}")
        (unit,) = transactions.running
        transactions.decide(unit.id, commit=False)
    codes = []
    for number in range(3):
        with pytest.raises(TransactionError) as caught:
            transactions.terminator.prepare(f"x{number}")
        codes.append(caught.value.code)
    assert codes == ["CF-TX-041", "CF-TX-044", "CF-TX-044"]


def test_an_operator_ends_no_unit_that_is_worked_in(transactions: Transactions) -> None:
    with transactions.imported.around(TransactionContext("x1")):
        (unit,) = transactions.running
        with pytest.raises(TransactionError, match="CF-TX-024"):
            transactions.decide(unit.id, commit=False)
    with transactions.unit() as own:
        with pytest.raises(TransactionError, match="CF-TX-024"):
            transactions.decide(own.id, commit=False)
