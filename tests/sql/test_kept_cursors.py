"""What is remembered of a lease's cursors."""

from __future__ import annotations

import pytest

from connector_sql.kept_cursors import KeptCursors


class Cursor:
    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


class SlottedCursor:
    """As of a driver written in C: can't be referenced weakly."""

    __slots__ = ("closed",)

    def __init__(self) -> None:
        self.closed = False

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize("kind", [Cursor, SlottedCursor])
def test_every_cursor_that_is_left_is_closed_once(kind: type[Cursor | SlottedCursor]) -> None:
    kept, cursors = KeptCursors(), [kind() for _ in range(200)]
    for cursor in cursors:
        kept.add(cursor)
    kept.close_all()

    assert all(cursor.closed for cursor in cursors)
    assert len(kept) == 0


def test_a_long_lease_does_not_collect_cursors_that_nobody_has() -> None:
    kept, mine = KeptCursors(), Cursor()
    kept.add(mine)
    for _ in range(10_000):
        kept.add(Cursor())

    assert len(kept) <= 64
    kept.close_all()
    assert mine.closed


def test_a_cursor_that_can_not_be_closed_is_reported() -> None:
    class Stuck(Cursor):
        def close(self) -> None:
            raise OSError("busy")

    kept, stuck = KeptCursors(), Stuck()
    kept.add(stuck)

    with pytest.raises(OSError, match="busy"):
        kept.close_all()
