"""What became of an operator's wish at a pool: plain records, free of secrets (POOL-6)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, final


class _Report:
    """What all reports have in common."""

    __slots__ = ()

    def to_dict(self) -> dict[str, Any]:
        """The same for programs."""
        plain: dict[str, Any] = asdict(self)  # type: ignore[call-overload]  # each of them is a dataclass
        return plain


@final
@dataclass(frozen=True, slots=True)
class FlushOutcome(_Report):
    """What a flush did, or would do, in the pools for threads and for asyncio loops together.

    Attributes:
        resource: The pools' resource.
        mode: The `FlushMode`, by its value.
        dry_run: Whether nothing was done.
        closed: Free connections that were closed, or would be.
        on_return: Lent ones that are closed when they come back, or would be.
        ended: Lent ones that were taken from their borrowers and closed, or would be.
        kept: Chosen ones that stay: found good, or lent where only free ones were meant.
        asked: Free ones of asyncio loops that are being validated there: only the loop can, and closes those that fail.
            How it ended is in the statistics (`validated`, `invalid`).
    """

    resource: str
    mode: str
    dry_run: bool
    closed: int = 0
    on_return: int = 0
    ended: int = 0
    kept: int = 0
    asked: int = 0


@final
@dataclass(frozen=True, slots=True)
class ResizeOutcome(_Report):
    """What a resize did.

    Attributes:
        resource: The pools' resource.
        max_size: The size in force now: of the pool for threads, and of that of each asyncio loop.
        min_size: Likewise.
        per_identity: Likewise; None for no limit.
        closed: Free connections that were closed.
        on_return: Lent ones that are closed when they come back.
    """

    resource: str
    max_size: int
    min_size: int
    per_identity: int | None
    closed: int
    on_return: int


@final
@dataclass(frozen=True, slots=True)
class LendingOutcome(_Report):
    """What a suspend or a resume found.

    Attributes:
        resource: The pools' resource.
        suspended: Whether nothing is lent from now on.
        changed: Whether that was different before.
        in_use: Connections that are lent at this instant.
        waiting: Borrowers that wait at this instant, or did until now.
        connection_timeout: How long a borrower waits by the settings, in seconds.
    """

    resource: str
    suspended: bool
    changed: bool
    in_use: int
    waiting: int
    connection_timeout: float
