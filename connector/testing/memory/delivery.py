"""One delivery of one message in memory, as a work under its sender's identity."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, final

from connector.errors import WorkRejected
from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    SecurityContext,
    Subject,
    UnauthenticatedPrincipal,
    Vote,
    Work,
    WorkEvent,
    WorkEventKind,
)
from connector.testing.memory.letters import Letter
from connector.testing.memory.subscription import Subscription

if TYPE_CHECKING:
    from connector.testing.memory.adapter import MemoryResourceAdapter


@final
class Settlement:
    """Takes a message away and puts its reply down, once, as a part of the handler's unit of work or by itself.

    Implements `connector.spi.TransactionParticipant`. Used by one thread at a time.
    """

    two_phase = True

    def __init__(self, adapter: MemoryResourceAdapter, subscription: Subscription, letter: Letter) -> None:
        self._adapter = adapter
        self._subscription = subscription
        self._letter = letter
        self._settled = False
        self.reply: Any = None
        self.replier: Subject | None = None

    @property
    def resource(self) -> str:
        """The queue."""
        return f"memory:{self._subscription.queue}"

    def settle(self) -> None:
        """Do it, unless it is done."""
        if not self._settled:
            self._settled = True
            self._adapter.settle(self._subscription, self._letter, self.reply, self.replier)

    def prepare(self, branch: str) -> Vote:
        """Nothing in memory can fail to be settled."""
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """Settle."""
        self.settle()

    def rollback(self, branch: str) -> None:
        """Leave everything as it is: who delivers books the failure."""


@final
class MemoryDelivery(Work):
    """Delivers one message; what becomes of it is said to the adapter."""

    def __init__(self, adapter: MemoryResourceAdapter, subscription: Subscription, letter: Letter) -> None:
        self.adapter = adapter
        self.subscription = subscription
        self.letter = letter
        self._ran = False

    def run(self) -> None:
        """Under the sender's identity."""
        self._ran = True
        self.adapter.run(self)

    def listen(self, event: WorkEvent) -> None:
        """Whether it ran at all."""
        if event.kind is WorkEventKind.REJECTED:
            self.adapter.refused(self)
        elif event.kind is WorkEventKind.COMPLETED and event.error is not None and not self._ran:
            self.adapter.failed(self, event.error)

    def submit(self, context: SecurityContext) -> None:
        """Hand it to the work manager. Does not block."""
        try:
            self.adapter.context.work_manager.schedule_work(self, contexts=(context,), listener=self.listen)
        except WorkRejected:
            self.adapter.refused(self)


@final
class SenderContext(SecurityContext):
    """Says that the caller is the sender."""

    def __init__(self, delivery: MemoryDelivery) -> None:
        self._sender = delivery.letter.message.identity
        self.realm = delivery.subscription.factory.realm or None

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Assert the sender; nothing for a nameless one."""
        if self._sender is not None and not isinstance(self._sender, UnauthenticatedPrincipal):
            handler.handle([CallerPrincipalCallback(execution_subject, self._sender)])
