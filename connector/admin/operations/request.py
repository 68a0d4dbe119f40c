"""One request to an operation: its arguments, the caller's login, and whether anybody still waits for the answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, final

from connector.admin.access import Access
from connector.admin.arguments import Arguments
from connector.spi import Secret


@final
@dataclass(frozen=True, slots=True)
class Login:
    """User and password of whoever asks; one unit, and no repr shows the password.

    Attributes:
        user: The user.
        password: Its password.
    """

    user: str
    password: Secret


def _nobody_leaves() -> bool:
    return False


def _nobody_listens(_line: str) -> None:
    pass


def _owner_may(_access: Access) -> None:
    """Whoever owns the files may everything (CONF-7)."""


@final
@dataclass(frozen=True, slots=True)
class Request:
    """What an operation gets.

    Attributes:
        arguments: Checked as they are read.
        login: The caller's login, or None. The endpoint has checked it, but for bus operations, where the bus does.
        tell: Called with a line on how far a long operation has come; drops it where nobody listens.
        require: Raises AccessDenied where the caller has not this access either: for operations that find out what they
            touch as they go.
        notes: What the operation adds to the audit record of the request; never a secret.
        abandoned: Whether the one who asked has gone, or the container stops: a long wait then ends early. Cheap.
    """

    arguments: Arguments
    login: Login | None = None
    abandoned: Callable[[], bool] = _nobody_leaves
    require: Callable[[Access], None] = _owner_may
    notes: dict[str, Any] = field(default_factory=dict)
    tell: Callable[[str], None] = _nobody_listens
