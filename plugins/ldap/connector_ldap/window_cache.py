"""A cache for as long as a window of time lasts: what is in it is never older than that.

All entries end together with their window, not each by its own age: so a plan that was made from one may be kept for
exactly as long (`revision`), and the age of both together is never more than the window's length.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from threading import Lock
from typing import Final, Generic, TypeVar, final

from connector.spi import Clock, SystemClock

V = TypeVar("V")

_LIMIT: Final = 10_000


@final
class WindowCache(Generic[V]):
    """What was found, by key. Never keeps that nothing was found, or that asking failed. Safe from any thread.

    Args:
        seconds: The length of a window; 0 keeps nothing.
        clock: For the windows.
    """

    def __init__(self, seconds: float, clock: Clock | None = None) -> None:
        self._seconds = seconds
        self._clock = clock or SystemClock()
        self._lock = Lock()
        # Mutable, under the lock: a number that rises with each window and whatever is forgotten, when the window
        # ends, and what was found in it.
        self._revision = 0
        self._ends = float("-inf")
        self._found: dict[Hashable, V] = {}

    def revision(self) -> int:
        """Another number whenever something in the cache may have become worthless. Does not block."""
        with self._lock:
            return self._current()

    def get(self, key: Hashable, load: Callable[[], V | None]) -> V | None:
        """What is kept, or else loaded; blocks and raises as `load` does, which is called without the lock."""
        with self._lock:
            revision = self._current()
            if key in self._found:
                return self._found[key]
        value = load()
        if value is not None and self._seconds > 0:
            with self._lock:
                # Not where the window has ended meanwhile, or somebody said that things have changed.
                if self._current() == revision:
                    if len(self._found) >= _LIMIT:
                        self._found.clear()
                    self._found[key] = value
        return value

    def forget(self) -> None:
        """Keep nothing of what was found or asked for before now."""
        with self._lock:
            self._begin(self._clock.monotonic())

    def forget_one(self, key: Hashable) -> None:
        """Keep nothing of one key; who is loading just now keeps nothing of the answer either."""
        self.forget_those(lambda kept: kept == key)

    def forget_those(self, doubtful: Callable[[Hashable], bool]) -> None:
        """Keep nothing of these keys; who is loading just now keeps nothing of the answer either."""
        with self._lock:
            self._found = {key: value for key, value in self._found.items() if not doubtful(key)}
            self._revision += 1

    def _current(self) -> int:
        """The number that is in force, once an old window has ended. Called under the lock."""
        now = self._clock.monotonic()
        if now >= self._ends:
            self._begin(now)
        return self._revision

    def _begin(self, now: float) -> None:
        self._revision += 1
        self._ends = now + self._seconds
        self._found = {}

    def __repr__(self) -> str:
        return f"<WindowCache of {self._seconds:g} s>"
