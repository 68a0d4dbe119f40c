"""Durations in options, as the framework's configuration has them. Pure."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_TEXT = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)")


def seconds(value: object) -> float | None:
    """The seconds in `"250ms"`, `"30s"`, `"5m"`, `"1h"` or a number that is not negative; None for anything else."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if math.isfinite(value) and value >= 0 else None
    match = _TEXT.fullmatch(value.strip()) if isinstance(value, str) else None
    return None if match is None else float(match[1]) * _SECONDS[match[2]]
