"""The identity that a handler's outbound work runs as, where that is not its caller's (FLOW-6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

from connector.security.scope import open_scope
from connector.spi import Subject


@final
class RunAs:
    """A setting of one activation. Safe to use from any thread.

    Args:
        subject: Finds the subject, the newest at each call; may block. Raises AuthDataError, AuthenticationFailed.
        realm: The realm of the application.
        container: The container's name.
        origin: Where the identity comes from, in words.
    """

    def __init__(self, subject: Callable[[], Subject], *, realm: str, container: str, origin: str) -> None:
        self.subject = subject
        self._realm = realm
        self._container = container
        self._origin = origin

    def scope(self) -> open_scope:
        """A context manager that puts the subject in force, over that of the caller. Blocks and raises as `subject`."""
        return open_scope(self.subject(), realm=self._realm, container=self._container, origin=self._origin)

    def __repr__(self) -> str:
        return f"<RunAs {self._origin}>"
