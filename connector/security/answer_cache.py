"""What a registry has answered, for a while: bounded, forgotten on request, never a refusal and never an outage."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar, final

from connector.spi import Clock, SystemClock

V = TypeVar("V")

#: Answers that are kept at most; then the ones that were asked for longest ago go.
LIMIT: Final = 10_000


@final
class AnswerCache(Generic[V]):
    """Answers by key, each for so many seconds from when it was asked. Safe to use from any thread.

    Only what `load` answers is kept: None, its "nothing there", is not, and neither is what it raises. An answer that
    was on its way when something was forgotten is given to whoever asked and not kept.

    Args:
        seconds: How long an answer is kept; 0 keeps nothing.
        clock: Tells the age of an answer.
        limit: How many are kept.
    """

    def __init__(self, seconds: float, clock: Clock | None = None, *, limit: int = LIMIT) -> None:
        self._seconds = seconds
        self._now = (clock or SystemClock()).monotonic
        self._limit = limit
        self._lock = Lock()
        # Mutable, under the lock: the answers with the time of their end, the oldest first, and how often something
        # was forgotten.
        self._kept: dict[Hashable, tuple[V, float]] = {}
        self._forgotten = 0

    @property
    def seconds(self) -> float:
        """How long an answer is kept; 0 for not at all. Does not block."""
        return self._seconds

    def kept(self, key: Hashable) -> V | None:
        """What is kept of a key; None for nothing. Asks nobody and takes no lock: it is on the way of every message."""
        found = self._kept.get(key)
        return found[0] if found is not None and self._now() < found[1] else None

    def get(self, key: Hashable, load: Callable[[], V | None]) -> V | None:
        """What is kept, or else asked for. Blocks and raises as `load` does, which is called without the lock."""
        if self._seconds <= 0:
            return load()
        asked = self._now()
        with self._lock:
            found, forgotten = self._kept.get(key), self._forgotten
        if found is not None and asked < found[1]:
            return found[0]
        answer = load()
        if answer is not None:
            with self._lock:
                if self._forgotten == forgotten:
                    self._keep(key, answer, asked + self._seconds)
        return answer

    def forget(self, doubtful: Callable[[Hashable], bool] | None = None) -> None:
        """Keep nothing of these keys, or of any; nor of what is being asked just now."""
        with self._lock:
            self._forgotten += 1
            keep = {} if doubtful is None else {k: v for k, v in self._kept.items() if not doubtful(k)}
            self._kept = keep

    def forget_one(self, key: Hashable) -> None:
        """Keep nothing of one key; nor of what is being asked just now."""
        with self._lock:
            self._forgotten += 1
            self._kept.pop(key, None)

    def __len__(self) -> int:
        return len(self._kept)

    def _keep(self, key: Hashable, answer: V, ends: float) -> None:
        self._kept.pop(key, None)
        self._kept[key] = (answer, ends)  # at the end: the order is that of asking, so the first ends first
        while len(self._kept) > self._limit:
            del self._kept[next(iter(self._kept))]

    def __repr__(self) -> str:
        return f"<AnswerCache of {self._seconds:g} s, {len(self._kept)} kept>"
