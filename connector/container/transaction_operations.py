"""A container's transactions for those who operate it: what is not finished, and deciding what is in doubt (FLOW-8).

Each decision is recorded in the audit log, with who took it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from connector.container.operator_audit import recorded
from connector.spi import AuditLog
from connector.transactions.service import Transactions


@final
class OperatedTransactions:
    """What `Container.transactions` answers. Safe to use from any thread.

    Args:
        transactions: The container's transactions.
        audit: Where decisions are recorded.
    """

    def __init__(self, transactions: Transactions, audit: AuditLog) -> None:
        self._transactions = transactions
        self._audit = audit

    def to_list(self) -> list[dict[str, Any]]:
        """All units that are not finished, and those that are being worked in, as plain data.

        Does not ask the resources: of those it tells what the last look has found. Raises ConfigError where the
        decision log can't be used.
        """
        unfinished = [one.to_dict() for one in self._transactions.unfinished()]
        listed = {one["unit"] for one in unfinished}
        for unit in self._transactions.running:
            if unit.id not in listed:
                branches = [{"branch": branch.id, "resource": branch.resource} for branch in unit.branches]
                remaining = unit.remaining
                limit = "no limit" if remaining is None else f"{remaining:.0f} s left"
                meaning = f"{unit.state.value}, for {unit.age:.0f} s, {limit}"
                unfinished.append(
                    {
                        "unit": unit.id,
                        "standing": "running",
                        "in_doubt": False,
                        "branches": branches,
                        "meaning": meaning,
                        "trouble": [],
                    }
                )
        return unfinished

    def recover(self) -> list[dict[str, Any]]:
        """Ask all resources now for branches that are prepared, and finish what can be; answers what is left.

        Blocks for the resources. Raises ConfigError where the decision log can't be used.
        """
        with self._recorded("recover-transactions", "all"):
            self._transactions.look(everywhere=True)
        return self.to_list()

    def commit(self, unit: str) -> list[dict[str, Any]]:
        """Commit a unit that is in doubt; answers what is left of all. Blocks for its resources.

        Raises TransactionError where it is not in doubt (CF-TX-024).
        """
        with self._recorded("commit-transaction", unit):
            self._transactions.decide(unit, commit=True)
        return self.to_list()

    def rollback(self, unit: str) -> list[dict[str, Any]]:
        """Roll back a unit that is in doubt; blocks and raises as `commit`."""
        with self._recorded("rollback-transaction", unit):
            self._transactions.decide(unit, commit=False)
        return self.to_list()

    def forget(self, unit: str) -> list[dict[str, Any]]:
        """Do no more about a unit; see `Transactions.forget` for what that means. Answers what is left of all.

        Blocks for the disk. Raises TransactionError where the decision log doesn't know it (CF-TX-024).
        """
        with self._recorded("forget-transaction", unit):
            self._transactions.forget(unit)
        return self.to_list()

    @contextmanager
    def _recorded(self, action: str, unit: str) -> Iterator[None]:
        with recorded(self._audit, action, unit, {}):
            yield
