"""Steps with their reverses: all of them are made, or none (CONF-8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from connector.errors import ConnectorError

log = logging.getLogger("connector.container")


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do.

    Attributes:
        what: In words, for the log.
        do: Does it; where it raises it has changed nothing.
        undo: Takes it back.
    """

    what: str
    do: Callable[[], object]
    undo: Callable[[], object]


@final
class Done:
    """Steps that were made, to be taken back in reverse order. Use it on one thread."""

    def __init__(self) -> None:
        self._steps: list[Step] = []

    def make(self, steps: Iterable[Step]) -> None:
        """Make steps, one after the other, as they come; where one raises all are taken back, and its error goes on."""
        try:
            for step in steps:
                step.do()
                self._steps.append(step)
        except BaseException:
            self.undo()
            raise

    def undo(self) -> None:
        """Take all of them back; what one of them raises is logged, and the others are taken back all the same."""
        while self._steps:
            step = self._steps.pop()
            try:
                step.undo()
            except Exception as error:  # noqa: BLE001 - foreign code; the others must be taken back all the same
                text = str(error) if isinstance(error, ConnectorError) else type(error).__name__
                log.error("taking back a change of the configuration (%s) failed: %s", step.what, text)
