"""The cursors of one lease: closed when the lease ends, so that one that was kept never runs on the next caller's."""

from __future__ import annotations

import operator
import weakref
from collections.abc import Callable
from typing import Any, Final, final

_COMPACT_AT: Final = 64


@final
class KeptCursors:
    """Remembers cursors for as long as anybody else does. For one thread at a time.

    Args:
        close: How a driver's cursor is closed.

    A list of weak references, since it is written for each statement and read once a lease.
    """

    __slots__ = ("_close", "_references", "_compact_at")

    def __init__(self, close: Callable[[Any], object] = operator.methodcaller("close")) -> None:
        self._close = close
        # The mutable state; changed by `add` and `close_all`.
        self._references: list[Callable[[], Any]] = []
        self._compact_at = _COMPACT_AT

    def add(self, cursor: Any) -> None:
        """Remember a driver's cursor; one that can't be referenced weakly is kept alive till the end of the lease."""
        reference: Callable[[], Any]
        try:
            reference = weakref.ref(cursor)
        except TypeError:

            def reference() -> Any:
                return cursor

        self._references.append(reference)
        if len(self._references) >= self._compact_at:
            self._references = [kept for kept in self._references if kept() is not None]
            self._compact_at = max(_COMPACT_AT, 2 * len(self._references))

    def close_all(self) -> None:
        """Close those that are left. May block, for a driver's named cursor. Raises what the driver raises."""
        if not self._references:
            return
        references, self._references = self._references, []
        self._compact_at = _COMPACT_AT
        for reference in references:
            cursor = reference()
            if cursor is None:
                continue
            self._close(cursor)
            if hasattr(cursor, "_described"):
                # psycopg's named cursors: a closed one that is executed again would first send a CLOSE of its old
                # name, on the session of whoever has the connection then.
                cursor._described = False

    def __len__(self) -> int:
        return len(self._references)
