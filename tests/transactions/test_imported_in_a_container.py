"""A work with a transaction context runs in that transaction's unit, in a real container (FLOW-8)."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_container import ProfileFolder

from connector.errors import WorkCompletedWithError
from connector.spi import TransactionContext, WorkErrorCode


def test_works_of_one_transaction_share_its_unit_and_its_superior_ends_it(tmp_path: Path) -> None:
    with ProfileFolder(tmp_path).open() as container:
        parts = container._parts
        manager, terminator = parts.work_manager.for_adapter("bus"), parts.transactions.terminator
        assert manager.is_context_supported(TransactionContext)

        def unit() -> str | None:
            current = container.current_transaction()
            return None if current is None else current.id

        first, second = (manager.do_work(unit, contexts=[TransactionContext("T1")]) for _ in range(2))
        assert first is not None
        assert first == second
        assert manager.do_work(unit) is None
        terminator.commit("T1", one_phase=True)
        assert manager.do_work(unit, contexts=[TransactionContext("T1")]) != first
        terminator.rollback("T1")


def test_a_second_work_of_a_transaction_at_the_same_time_is_refused(tmp_path: Path) -> None:
    with ProfileFolder(tmp_path).open() as container:
        manager = container._parts.work_manager.for_adapter("bus")

        def nested() -> object:
            with pytest.raises(WorkCompletedWithError) as refused:
                manager.do_work(lambda: None, contexts=[TransactionContext("T1")])
            return refused.value.error_code

        code = manager.do_work(nested, contexts=[TransactionContext("T1")])
        assert code is WorkErrorCode.CONCURRENT_WORK_DISALLOWED
        container._parts.transactions.terminator.rollback("T1")
