"""The values of a selector and what the operators do with them: three truths, and numbers that are no booleans.

Truth is True, False or None for "unknown", which is what SQL makes of a property that isn't there.  A comparison of
unlike kinds is false, as Jakarta Messaging 3.8.1.2 has it; arithmetic on what is no number, and a division by zero, are
unknown: no message may make a selector fail.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, TypeAlias

Value: TypeAlias = str | int | float | bool | None
Truth: TypeAlias = bool | None

_ORDER: Final[Mapping[str, Callable[[Any, Any], bool]]] = MappingProxyType(
    {
        "=": operator.eq,
        "<>": operator.ne,
        "<": operator.lt,
        "<=": operator.le,
        ">": operator.gt,
        ">=": operator.ge,
    }
)


def truth(value: Value) -> Truth:
    """A value where a condition is wanted: a boolean counts, anything else is unknown."""
    return value if isinstance(value, bool) else None


def not_(one: Truth) -> Truth:
    """Unknown stays unknown."""
    return None if one is None else not one


def compare(sign: str, left: Value, right: Value) -> Truth:
    """One of the six comparisons; text and booleans are only equal or not."""
    if left is None or right is None:
        return None
    if _is_number(left) and _is_number(right):
        return _ORDER[sign](left, right)
    if type(left) is not type(right) or sign not in ("=", "<>"):
        return False
    return _ORDER[sign](left, right)


def arithmetic(sign: str, left: Value, right: Value) -> Value:
    """`+ - * /` on two numbers; whole numbers are divided to a whole one, cut towards zero, as Java does it."""
    if not _is_number(left) or not _is_number(right):
        return None
    assert isinstance(left, int | float)
    assert isinstance(right, int | float)
    try:
        if sign == "+":
            return left + right
        if sign == "-":
            return left - right
        if sign == "*":
            return left * right
        if isinstance(left, int) and isinstance(right, int):
            quotient = abs(left) // abs(right)
            return quotient if (left < 0) is (right < 0) else -quotient
        return left / right
    except (ZeroDivisionError, OverflowError):
        return None


def negative(value: Value) -> Value:
    """A number with the other sign; anything else is unknown."""
    return -value if _is_number(value) and isinstance(value, int | float) else None


def like(pattern: str, escape: str | None) -> Callable[[str], bool]:
    """A matcher for a LIKE pattern: `_` is any one character, `%` any number of them.

    Its work grows with text times pattern and never faster, whatever the pattern: clients write them. Each stretch
    between two `%` is searched from the left, the first and the last being bound to their ends.
    """
    stretches = _stretches(pattern, escape)
    first, last = stretches[0], stretches[-1]
    if len(stretches) == 1:
        whole = _as_expression(first)
        return lambda text: whole.fullmatch(text) is not None
    head, tail, tail_length = _as_expression(first), _as_expression(last), len(last)
    middle = [(_as_expression(stretch)) for stretch in stretches[1:-1] if stretch]

    def matches(text: str) -> bool:
        begun = head.match(text)
        if begun is None:
            return False
        place, end = begun.end(), len(text) - tail_length
        for stretch in middle:
            found = stretch.search(text, place, end) if place <= end else None
            if found is None:
                return False
            place = found.end()
        return place <= end and tail.fullmatch(text, end) is not None

    return matches


def _stretches(pattern: str, escape: str | None) -> list[list[str | None]]:
    """What stands between the `%`: characters, None for any one."""
    stretches: list[list[str | None]] = [[]]
    characters = iter(pattern)
    for character in characters:
        if character == escape:
            stretches[-1].append(next(characters, character))
        elif character == "%":
            stretches.append([])
        else:
            stretches[-1].append(None if character == "_" else character)
    return stretches


def _as_expression(stretch: list[str | None]) -> re.Pattern[str]:
    """Without any repetition, so that it is found in time that grows with its length only."""
    return re.compile("".join("." if one is None else re.escape(one) for one in stretch), re.DOTALL)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
