"""What the middleware needs of a container; `connector.Container` has it."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from typing import Any, Protocol

from connector.spi import AuditLog, Principal, Secret, Subject


class Login(Protocol):
    """The outcome of a login."""

    subject: Subject


class IdentityContainer(Protocol):
    """A running container, as far as the callers of web requests go."""

    @property
    def realm(self) -> str:
        """Its realm."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Its audit log."""
        ...

    def login(self, user: str, password: str | Secret) -> Login:
        """Check a password. Blocks. Raises AuthenticationFailed."""
        ...

    def establish(self, caller: Principal, groups: Iterable[str] = ()) -> Subject:
        """Admit a caller whom somebody else has authenticated. May block. Raises SubjectRejected."""
        ...

    def run_as(self, subject: Subject, *, origin: str = ...) -> AbstractContextManager[Any]:
        """Put a subject in force."""
        ...
