"""The scope: which identity is in force on a thread or task, and until when (architecture rule 8)."""

from __future__ import annotations

from typing import final

from connector.spi.subject import Subject


@final
class Scope:
    """One stretch of execution under one subject.

    Opened and closed by a login, a run-as or a work; carried by one contextvar that `connector.security` owns. A task
    that outlives its scope still sees it, closed, and is refused instead of acting as somebody who has left.

    Attributes:
        subject: The subject in force, read-only.
        realm: The realm of the application or container that opened it.
        container: The name of the container that opened it.
        origin: Where the identity came from, in words, for explanations: "login of alice", "work 17 of adapter bus".
        open: Whether it is still in force. Only its owner closes it.
    """

    __slots__ = ("subject", "realm", "container", "origin", "open")

    def __init__(self, subject: Subject, realm: str, container: str, origin: str) -> None:
        self.subject = subject if subject.is_read_only else subject.set_read_only()
        self.realm = realm
        self.container = container
        self.origin = origin
        self.open = True

    def __repr__(self) -> str:
        return f"<Scope {self.subject.caller} from {self.origin}, {'open' if self.open else 'closed'}>"
