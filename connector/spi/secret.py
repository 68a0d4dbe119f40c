"""A secret as a type: what it holds can be read in one way only, on purpose (AUTHD-4, architecture rule 9)."""

from __future__ import annotations

import hmac
from typing import Any, NoReturn, final

_MASK = "****"


@final
class Secret:
    """A password, key or token that no `repr`, `str`, format, pickle or copy shows.

    Args:
        value: The text to keep.

    The comparison with another secret takes the same time whatever differs; a secret never equals a plain string and
    has no hash, so it can't become a dictionary key by accident. Immutable; safe to share between threads and tasks.
    """

    __slots__ = ("_value",)
    _value: str
    __hash__ = None  # type: ignore[assignment]  # unhashable on purpose, see the docstring

    def __init__(self, value: str) -> None:
        if not isinstance(value, str):
            raise TypeError(f"a Secret holds a str, not {type(value).__name__}")
        object.__setattr__(self, "_value", value)

    def reveal(self) -> str:
        """The text itself. Call it where the wire is, as late as can be, and keep no copy."""
        return self._value

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    def __repr__(self) -> str:
        return f"Secret({_MASK})"

    def __str__(self) -> str:
        return _MASK

    def __format__(self, spec: str) -> str:
        return _MASK

    def __setattr__(self, name: str, value: Any) -> NoReturn:
        raise AttributeError("a Secret is immutable")

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a Secret can't be pickled or copied")
