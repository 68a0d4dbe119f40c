"""Who made the temporary destinations that there are: they hold the creator role of their prefixes (BUS-7)."""

from __future__ import annotations

import threading
from typing import final

from connector.spi import Principal, Subject


@final
class PrefixCreators:
    """The creators of living temporary destinations. Safe to use from any thread; nothing in it blocks.

    Mutable state: `_counts`, changed under `_lock`; as large as there are temporary destinations.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: dict[tuple[str, Principal], int] = {}

    def add(self, prefix: str, subject: Subject) -> None:
        """A temporary destination was made."""
        if subject.caller is not None and subject.is_authenticated:
            with self._lock:
                key = (prefix, subject.caller)
                self._counts[key] = self._counts.get(key, 0) + 1

    def remove(self, prefix: str, subject: Subject) -> None:
        """It is gone; with the last one the role goes, too. Harmless when it was never added."""
        if subject.caller is not None:
            with self._lock:
                key = (prefix, subject.caller)
                left = self._counts.get(key, 0) - 1
                if left > 0:
                    self._counts[key] = left
                else:
                    self._counts.pop(key, None)

    def holds(self, prefix: str, subject: Subject) -> bool:
        """Whether the subject has a temporary destination with this prefix."""
        return subject.caller is not None and (prefix, subject.caller) in self._counts
