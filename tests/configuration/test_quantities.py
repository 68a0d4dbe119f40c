from __future__ import annotations

import math

import pytest

from connector.container.configuration.quantities import duration, size


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("250ms", 0.25),
        ("30s", 30),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86400),
        ("1h 30m", 5400),
        ("1.5s", 1.5),
        (7, 7),
        (0, 0),
    ],
)
def test_a_duration_is_seconds(value: object, seconds: float) -> None:
    assert duration(value) == pytest.approx(seconds)


@pytest.mark.parametrize(
    "value", ["", "30", "s", "-5s", "5 parsecs", "1,5s", -1, True, None, math.inf, math.nan, "30S", []]
)
def test_what_is_no_duration_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        duration(value)


@pytest.mark.parametrize(
    ("value", "count"),
    [("64KiB", 65536), ("10MB", 10_000_000), ("1.5 KiB", 1536), ("5b", 5), ("1GiB", 2**30), (12, 12)],
)
def test_a_size_is_bytes(value: object, count: int) -> None:
    assert size(value) == count


@pytest.mark.parametrize("value", ["", "10", "10 bits", "-1KB", "0.3B", -1, True, 1.5, None])
def test_what_is_no_size_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match="size"):
        size(value)
