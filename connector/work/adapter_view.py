"""The work manager as one adapter sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

from connector.spi import INDEFINITE, WorkContext, WorkLike, WorkListener
from connector.work.account import Account

if TYPE_CHECKING:
    from connector.work.manager import ContainerWorkManager


@final
class AdapterWorkManager:
    """Passes everything on to the container's work manager, with the adapter's account (implements `spi.WorkManager`).

    Safe to use from any thread; see `ContainerWorkManager` for what blocks and what is raised.

    Args:
        manager: The container's work manager.
        account: The adapter's lanes and counts.
    """

    __slots__ = ("_manager", "_account")

    def __init__(self, manager: ContainerWorkManager, account: Account) -> None:
        self._manager = manager
        self._account = account

    def do_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> Any:
        """Run and wait for the end; see `ContainerWorkManager.do_work`."""
        return self._manager.do_work(
            work, contexts=contexts, start_timeout=start_timeout, listener=listener, account=self._account
        )

    def start_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> float:
        """Run and wait for the start; see `ContainerWorkManager.start_work`."""
        return self._manager.start_work(
            work, contexts=contexts, start_timeout=start_timeout, listener=listener, account=self._account
        )

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = INDEFINITE,
        listener: WorkListener | None = None,
    ) -> None:
        """Run some time; see `ContainerWorkManager.schedule_work`."""
        self._manager.schedule_work(
            work, contexts=contexts, start_timeout=start_timeout, listener=listener, account=self._account
        )

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        """Whether contexts of exactly this type can be set up."""
        return self._manager.is_context_supported(context_type)
