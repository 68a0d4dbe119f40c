"""Quantities with units: durations in seconds and sizes in bytes (CONF-2). Pure."""

from __future__ import annotations

import math
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": 2**10,
    "mib": 2**20,
    "gib": 2**30,
    "tib": 2**40,
}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)")
_DURATIONS = re.compile(rf"(?:{_DURATION.pattern}\s*)+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?i?b)", re.IGNORECASE)

#: What is allowed, in words, for people.
DURATION_ALLOWED = 'a duration such as "250ms", "30s", "5m", "1h", "1d", or a number of seconds, not negative'
SIZE_ALLOWED = 'a size such as "64KiB" or "10MB", or a whole number of bytes, not negative'


def duration(value: object) -> float:
    """The seconds in a duration: a number, or text such as `"250ms"`, `"30s"`, `"1h 30m"`.

    Raises:
        ValueError: For anything else, negative, infinite or not-a-number ones included.
    """
    if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0:
        return float(value)
    if isinstance(value, str) and _DURATIONS.fullmatch(value.strip()):
        return sum(float(number) * _SECONDS[unit] for number, unit in _DURATION.findall(value))
    raise ValueError(DURATION_ALLOWED)


def size(value: object) -> int:
    """The bytes in a size: a whole number, or text such as `"64KiB"` (1024) or `"10MB"` (1000).

    Raises:
        ValueError: For anything else, negative ones and parts of bytes included.
    """
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    match = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if match is not None:
        number = float(match[1]) * _BYTES[match[2].lower()]
        if number.is_integer():
            return int(number)
    raise ValueError(SIZE_ALLOWED)
