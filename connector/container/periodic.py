"""Something that is done again and again on a thread of its own, until the container stops."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import final

#: Seconds that a turn under way gets when it is to stop; then it is left behind on its daemon thread.
STOP_TIMEOUT = 1.0


@final
class Periodic:
    """Calls an action every so many seconds, never two at a time. Starts when it is made.

    Args:
        name: The thread's name.
        interval: Seconds between the end of one turn and the begin of the next.
        action: Must not raise.
        at_once: Whether the first turn begins without waiting.
        wait: Waits that long, and answers whether to stop; by default it does what `close` asks for. Tests give theirs.
    """

    def __init__(
        self,
        name: str,
        interval: float,
        action: Callable[[], object],
        wait: Callable[[float], bool] | None = None,
        *,
        at_once: bool = False,
    ) -> None:
        self._interval = interval
        self._action = action
        self._at_once = at_once
        self._stopping = threading.Event()
        self._wait = wait or self._stopping.wait
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Begin no further turn; blocks for the one under way, at most a second. Harmless when called twice."""
        self._stopping.set()
        if self._thread is not threading.current_thread():
            self._thread.join(STOP_TIMEOUT)

    def _run(self) -> None:
        if self._at_once and not self._stopping.is_set():
            self._action()
        while not self._wait(self._interval) and not self._stopping.is_set():
            self._action()
