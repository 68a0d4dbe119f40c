"""How the demo tells what happened and fails where it should not have: its lines, and the logs that it reads on in."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any


class StepDiffers(Exception):
    """A step of the demo did not go as it should."""


class Story:
    """Prints what happened, and fails where it differs from what should have."""

    def __init__(self) -> None:
        self.steps = 0

    def tell(self, hop: str, line: str) -> None:
        """One line of the story."""
        print(f"  {hop:<11} {line}", flush=True)

    def expect(self, what: str, found: object, wanted: object) -> None:
        """A step that must come out so, or the demo fails."""
        self.steps += 1
        if found != wanted:
            raise StepDiffers(f"{what}: found {found!r}, wanted {wanted!r}")


class RouteLog(logging.Handler):
    """Keeps what the mediation says of itself."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        self.lines.append(record.getMessage())


class AuditTrail:
    """Reads on in the container's audit log."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read = 0

    def news(self) -> list[dict[str, Any]]:
        """The events since the last call."""
        lines = self._path.read_text().splitlines()
        fresh, self._read = lines[self._read :], len(lines)
        return [json.loads(line) for line in fresh]
