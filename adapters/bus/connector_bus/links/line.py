"""What the receiving end of a link knows of the bus at the other end: its engines' sessions, and what was taken."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final, final

if TYPE_CHECKING:
    from connector_bus.links.receiver_session import ReceiverSession

#: How many engines of one bus may have a session each.
MAX_ENGINES: Final = 32


@final
class Line:
    """What is known of the link with one bus.

    Attributes:
        taking: Held while messages are taken over, which may be long.
        seen: What was taken over, messages in memory included; under `taking`.

    Mutable state: `_sessions`, the newest one of each engine, under a lock that is never held for long.
    """

    def __init__(self) -> None:
        self.taking = threading.Lock()
        self.seen: set[str] = set()
        self._lock = threading.Lock()
        self._sessions: dict[str, ReceiverSession] = {}

    def __len__(self) -> int:
        return len(self._sessions)

    def begin(self, engine: str, session: ReceiverSession) -> bool:
        """A session has begun; it ends the one before it. False where there are too many engines."""
        with self._lock:
            before = self._sessions.get(engine)
            if before is None and len(self._sessions) >= MAX_ENGINES:
                return False
            self._sessions[engine] = session
        if before is not None:
            before.on_end()
        return True

    def end(self, engine: str | None = None, session: ReceiverSession | None = None) -> None:
        """A session has ended, if it is the newest one; without one, all have."""
        ended = []
        with self._lock:
            if engine is None:
                ended = list(self._sessions.values())
                self._sessions.clear()
            elif self._sessions.get(engine) is session:
                del self._sessions[engine]
        for each in ended:
            each.on_end()

    def is_newest(self, engine: str, session: ReceiverSession) -> bool:
        """Whether a session is the engine's present one."""
        with self._lock:
            return self._sessions.get(engine) is session
