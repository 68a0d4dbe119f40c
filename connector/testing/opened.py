"""What is started before the kit asks it anything, and let go of in the end."""

from __future__ import annotations

from types import TracebackType
from typing import Self


class Opened:
    """A context manager by `open` and `close`, which do nothing unless overridden. Used on one thread."""

    def open(self) -> None:
        """Start what is needed; called once before anything else."""

    def close(self) -> None:
        """Let go of it; called once in the end, also where `open` failed."""

    def __enter__(self) -> Self:
        try:
            self.open()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
