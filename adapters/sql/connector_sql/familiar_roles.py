"""Which callers a session may leave to their first statement, and which it asserts at once (TRUST-1)."""

from __future__ import annotations

import select
import time
from collections.abc import Callable
from typing import Any, Final, final

from connector_sql.postgresql_assertion import HOOKED

#: How many callers a session knows; then it begins anew.
_KNOWN: Final = 256
#: For how many seconds after its last use a session is taken to be alive without a round trip.
_ALIVE_FOR: Final = 10.0


@final
class FamiliarRoles:
    """The roles that the server has taken on one session. For whoever has the connection, one at a time.

    Left to the first statement is a caller whom the session has had before, so that a missing role or grant is heard
    when the connection is lent. And only where the server seems to be there: it has said nothing unasked, which is a
    farewell mostly, and somebody has used the session within some seconds, since a server can go without a word. Found
    broken when it is lent, a connection is replaced by the pool, and nobody hears of it.

    Args:
        socket: The session's, by number.
        clock: Answers seconds of a monotonic clock.
    """

    def __init__(self, socket: int, clock: Callable[[], float] | None = None) -> None:
        self._clock = clock or time.monotonic
        self._has_spoken = _listening(socket)
        # The mutable state:
        self._taken: set[str] = set()
        self._alive_until = 0.0

    def may_wait(self, role: str) -> bool:
        """Whether a role may be left to the first statement. Does not block."""
        return role in self._taken and self._clock() < self._alive_until and not self._has_spoken(0)

    def taken(self, role: str) -> None:
        """The server has just taken a role."""
        if len(self._taken) >= _KNOWN:
            self._taken.clear()
        self._taken.add(role)

    def answered(self) -> None:
        """The server has just answered."""
        self._alive_until = self._clock() + _ALIVE_FOR


def _listening(socket: int) -> Callable[[int], Any]:
    """What tells, given the milliseconds to wait, whether the other end of a socket has sent something.

    Always "yes" where nobody may be left to his first statement: without the driver's hooks, or the system's poll.
    """
    if not (HOOKED and hasattr(select, "poll")):
        return lambda _milliseconds: True
    ear = select.poll()
    ear.register(socket, select.POLLIN)
    return ear.poll
