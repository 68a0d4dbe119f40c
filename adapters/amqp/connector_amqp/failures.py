"""How often the delivery of a message has failed, for brokers that don't count. Safe to use from any thread."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final, final

#: Messages that are remembered: of more that fail at once the oldest are counted by the broker alone.
REMEMBERED: Final = 10_000


@final
class FailureCounts:
    """Failures by source and message. What the broker says counts where it is more: it sees other consumers as well."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: OrderedDict[tuple[str, str], int] = OrderedDict()

    def of(self, source: str, key: str, counted: int) -> int:
        """How often it has failed, where the broker has counted `counted`."""
        with self._lock:
            return max(counted, self._counts.get((source, key), 0))

    def note(self, source: str, key: str, failures: int) -> None:
        """It has failed so often by now."""
        with self._lock:
            self._counts[source, key] = failures
            self._counts.move_to_end((source, key))
            while len(self._counts) > REMEMBERED:
                self._counts.popitem(last=False)

    def forget(self, source: str, key: str) -> None:
        """It is settled for good."""
        with self._lock:
            self._counts.pop((source, key), None)
