"""From the tree of a selector to a function of a message: each node becomes a closure over those of its parts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias, final

from lark import Token, Transformer, v_args

from connector.spi import Message
from connector_bus.selector.headers import getter
from connector_bus.selector.values import Value, arithmetic, compare, like, negative, not_, truth

Getter: TypeAlias = Callable[[Message], Value]

#: What a whole number may be, as in Java: a `long`.
_LONG: Final = range(-(2**63), 2**63)


class Unfit(Exception):
    """What the grammar lets through and can't be: told with its place by the parser."""


@final
@v_args(inline=True)
class Compiler(Transformer[Token, Getter]):
    """One use for one selector.

    Attributes:
        identifiers: What the selector names.
    """

    def __init__(self) -> None:
        super().__init__()
        self.identifiers: set[str] = set()
        self._named: list[Getter] = []  # mutable as well: the nodes that are names

    # --- conditions --------------------------------------------------------------------------------------------------

    def disjunction(self, *parts: Getter) -> Getter:
        """Or: true if one is, else unknown if one is."""

        def either(message: Message) -> Value:
            answer: Value = False
            for part in parts:
                one = truth(part(message))
                if one is True:
                    return True
                answer = None if one is None else answer
            return answer

        return either

    def conjunction(self, *parts: Getter) -> Getter:
        """And: false if one is, else unknown if one is."""

        def both(message: Message) -> Value:
            answer: Value = True
            for part in parts:
                one = truth(part(message))
                if one is False:
                    return False
                answer = None if one is None else answer
            return answer

        return both

    def not_(self, part: Getter) -> Getter:
        """Not."""
        return lambda message: not_(truth(part(message)))

    def comparison(self, left: Getter, sign: Token, right: Getter) -> Getter:
        """One of the six."""
        kind = str(sign)
        return lambda message: compare(kind, left(message), right(message))

    def between(self, value: Getter, *rest: Any) -> Getter:
        """Both ends belong to it."""
        inverted, (low, high) = _inverted(rest)

        def inside(message: Message) -> Value:
            one = value(message)
            above, below = compare(">=", one, low(message)), compare("<=", one, high(message))
            if above is False or below is False:
                return inverted
            return None if above is None or below is None else not inverted

        return inside

    def in_(self, value: Getter, *rest: Any) -> Getter:
        """One of several texts."""
        self._require_identifier(value, "IN")
        inverted, texts = _inverted(rest)
        wanted = frozenset(_text(text) for text in texts)
        return lambda message: _answer(value(message), wanted.__contains__, inverted)

    def like(self, value: Getter, *rest: Any) -> Getter:
        """A text that fits a pattern."""
        self._require_identifier(value, "LIKE")
        inverted, texts = _inverted(rest)
        pattern, *escapes = (_text(text) for text in texts)
        if escapes and len(escapes[0]) != 1:
            raise Unfit(f"ESCAPE takes one character, not {escapes[0]!r}")
        matches = like(pattern, escapes[0] if escapes else None)
        return lambda message: _answer(value(message), matches, inverted)

    def is_null(self, value: Getter, *rest: Any) -> Getter:
        """Whether the message has the property at all."""
        self._require_identifier(value, "IS NULL")
        inverted, _ = _inverted(rest)
        return lambda message: (value(message) is None) is not inverted

    # --- sums --------------------------------------------------------------------------------------------------------

    def sum(self, first: Getter, *rest: Any) -> Getter:
        """From the left to the right."""
        return _folded(first, rest)

    def product(self, first: Getter, *rest: Any) -> Getter:
        """From the left to the right."""
        return _folded(first, rest)

    def minus(self, part: Getter) -> Getter:
        """The other sign."""
        return lambda message: negative(part(message))

    def plus(self, part: Getter) -> Getter:
        """The same sign, and a number."""
        return lambda message: negative(negative(part(message)))

    # --- atoms -------------------------------------------------------------------------------------------------------

    def identifier(self, name: Token) -> Getter:
        """A property or header."""
        self.identifiers.add(str(name))
        found = getter(str(name))
        self._named.append(found)
        return found

    def text(self, literal: Token) -> Getter:
        """A text in quotes."""
        return _constant(_text(literal))

    def whole_number(self, literal: Token) -> Getter:
        """A whole number; one with a leading zero is octal, as Java has it."""
        digits = literal.rstrip("lL")
        octal = len(digits) > 1 and digits[0] == "0"
        if octal and not set(digits) <= set("01234567"):
            raise Unfit(f"{literal} is no octal number, and a leading 0 means one")
        return _constant(_long(digits, 8 if octal else 10))

    def hex_number(self, literal: Token) -> Getter:
        """A whole number in hexadecimal."""
        return _constant(_long(literal.rstrip("lL"), 16))

    def broken_number(self, literal: Token) -> Getter:
        """A number with a fraction or an exponent."""
        return _constant(float(literal.rstrip("fFdD")))

    def true(self) -> Getter:
        """True."""
        return _constant(True)  # noqa: FBT003 - the value itself

    def false(self) -> Getter:
        """False."""
        return _constant(False)  # noqa: FBT003 - the value itself

    def _require_identifier(self, value: Getter, operator: str) -> None:
        if not any(value is named for named in self._named):
            raise Unfit(f"before {operator} stands something other than the name of a property or header")


def _constant(value: Value) -> Getter:
    return lambda _message: value


def _answer(value: Value, matches: Callable[[str], bool], inverted: bool) -> Value:
    if value is None:
        return None
    return isinstance(value, str) and matches(value) is not inverted


def _folded(first: Getter, rest: tuple[Any, ...]) -> Getter:
    result = first
    for sign, part in zip(rest[::2], rest[1::2], strict=True):
        result = _operation(str(sign), result, part)
    return result


def _operation(sign: str, left: Getter, right: Getter) -> Getter:
    return lambda message: arithmetic(sign, left(message), right(message))


def _inverted(rest: tuple[Any, ...]) -> tuple[bool, tuple[Any, ...]]:
    """Whether a NOT stands before the rest, and the rest."""
    if rest and isinstance(rest[0], Token) and rest[0].type == "NOT":
        return True, rest[1:]
    return False, rest


def _text(literal: Token) -> str:
    return literal[1:-1].replace("''", "'")


def _long(digits: str, base: int) -> int:
    value = int(digits, base)
    if value not in _LONG:
        raise Unfit(f"{digits} is beyond 64 bits")
    return value
