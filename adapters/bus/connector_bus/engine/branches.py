"""Prepared units of one bus, and what becomes of them once decided, now or after a restart (FLOW-8)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import final

from connector_bus.store.contract import MessageStore
from connector_bus.store.unit import StoreUnit


@dataclass(frozen=True, slots=True)
class Branch:
    """What the queues are told of a decision; the store has been told before.

    Attributes:
        committed: Shows what arrives, takes away what leaves.
        rolled_back: Gives back what would have left.
    """

    committed: Callable[[], None]
    rolled_back: Callable[[], None]


@final
class PreparedBranches:
    """The prepared units of one bus, as `connector.spi.RecoverableBranches`. Safe to use from any thread.

    A branch is decided by its transaction in the process that prepared it, by recovery in the same process, or by
    recovery after a restart; whoever comes first tells the queues, and the others find nothing more to do.

    Mutable state: `_branches`, changed under `_lock`.
    """

    def __init__(self, store: MessageStore) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._branches: dict[str, Branch] = {}

    def found(self, name: str, branch: Branch) -> None:
        """Take up one that an earlier process left. Does not block."""
        with self._lock:
            self._branches[name] = branch

    def prepare(self, name: str, unit: StoreUnit, branch: Branch) -> None:
        """Write a unit down. Blocks for the disk. Raises MessagingError; `rollback` is then still to be called."""
        self.found(name, branch)
        if not unit.is_empty:
            self._store.prepare(name, unit)

    def in_doubt(self) -> Sequence[str]:
        """The branches that the store holds prepared. Blocks for the disk."""
        return [unit.branch for unit in self._store.prepared()]

    def commit(self, branch: str) -> None:
        """Put one in force; harmless for one that is gone. Blocks for the disk.

        Raises MessagingError CF-BUS-052 or -053: it is then still in doubt.
        """
        self._store.commit_prepared(branch)
        for decided in self._decided(branch):
            decided.committed()

    def rollback(self, branch: str) -> None:
        """Undo one; harmless for one that is gone. Blocks for the disk. Raises like `commit`."""
        self._store.rollback_prepared(branch)
        for decided in self._decided(branch):
            decided.rolled_back()

    def _decided(self, name: str) -> Iterator[Branch]:
        with self._lock:
            branch = self._branches.pop(name, None)
        if branch is not None:
            yield branch

    def __len__(self) -> int:
        return len(self._branches)
