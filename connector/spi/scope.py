"""The scope: which identity is in force on a thread or task, and until when (architecture rule 8)."""

from __future__ import annotations

from typing import Protocol, final

from connector.spi.subject import Subject


class Lender(Protocol):
    """Who lends something that should come back before the scope ends: a pool."""

    def scope_ended(self, scope: Scope) -> None:
        """The scope has ended, on the thread that calls. Raises nothing; may block for taking back what is left."""
        ...


@final
class Scope:
    """One stretch of execution under one subject.

    Opened and closed by a login, a run-as or a work; carried by one contextvar that `connector.security` owns. A task
    that outlives its scope still sees it, closed, and is refused instead of acting as somebody who has left.

    Attributes:
        subject: The subject in force, read-only.
        realm: The realm of the application or container that opened it.
        container: The name of the container that opened it; with a number, `shop#2`, where another container of that
            name was running in the process already.
        origin: Where the identity came from, in words, for explanations: "login of alice", "work 17 of adapter bus".
        open: Whether it is still in force. Only its owner closes it.
        lenders: Who has lent something in it, and is told when it ends (POOL-3). A tuple, replaced as a whole.
    """

    __slots__ = ("subject", "realm", "container", "origin", "open", "lenders")

    def __init__(self, subject: Subject, realm: str, container: str, origin: str) -> None:
        self.subject = subject if subject.is_read_only else subject.set_read_only()
        self.realm = realm
        self.container = container
        self.origin = origin
        self.open = True
        self.lenders: tuple[Lender, ...] = ()

    def __repr__(self) -> str:
        return f"<Scope {self.subject.caller} from {self.origin}, {'open' if self.open else 'closed'}>"
