"""A selector: parsed once, asked for each message; the roles are decided before it and without it (BUS-6)."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Final, final

from lark import Lark
from lark.exceptions import UnexpectedEOF, UnexpectedInput, UnexpectedToken, VisitError

from connector.errors import MessagingError, Reason
from connector.spi import Message
from connector_bus.selector.compiler import Compiler, Getter, Unfit
from connector_bus.selector.grammar import GRAMMAR

SELECTOR_UNFIT = Reason(
    "CF-BUS-170",
    "the selector {selector!r} can't be used: {why}",
    "Write a condition over properties and JMS headers, for example: location = 'UK' AND day IN ('Tue', 'Wed').",
)

#: More than these no client needs; a longer or deeper one would cost others their time, or the stack.
MAX_LENGTH: Final = 4096
MAX_DEPTH: Final = 64


@final
class Selector:
    """One selector. Immutable, safe to use from any thread.

    Args:
        text: What a client or an administrator wrote.
        condition: What it means.
        identifiers: What it names.

    Attributes:
        text, identifiers: As given.
    """

    __slots__ = ("_condition", "identifiers", "text")

    def __init__(self, text: str, condition: Getter, identifiers: frozenset[str]) -> None:
        self.text = text
        self.identifiers = identifiers
        self._condition = condition

    def matches(self, message: Message) -> bool:
        """Whether the message is wanted: false and unknown are no. Does not block, never raises."""
        return self._condition(message) is True

    def __repr__(self) -> str:
        return f"<Selector {self.text!r}>"


@cache
def _parser() -> Lark:
    """Made for the first selector: it takes longer than loading all else of a bus, and many have none."""
    return Lark(GRAMMAR, parser="lalr", maybe_placeholders=False)


@lru_cache(maxsize=512)
def parse_selector(text: str) -> Selector:
    """Parse a selector; equal texts share one. Does not block.

    Raises MessagingError CF-BUS-170, with the place and what may stand there.
    """
    compiler = Compiler()
    try:
        _check_size(text)
        condition: Getter = compiler.transform(_parser().parse(text))
    except (Unfit, UnexpectedInput, VisitError) as error:
        why = _why(error, text)
    else:
        return Selector(text, condition, frozenset(compiler.identifiers))
    raise MessagingError(SELECTOR_UNFIT, selector=_short(text), why=why)


def _check_size(text: str) -> None:
    if len(text) > MAX_LENGTH:
        raise Unfit(f"it has {len(text)} characters, {MAX_LENGTH} are possible")
    if not text.strip():
        raise Unfit("it is empty; leave it out to get every message")
    depth = deepest = 0
    for character in text:  # also those in quotes: a limit needs no exactness
        depth += (character == "(") - (character == ")")
        deepest = max(deepest, depth)
    nots = text.upper().count("NOT")
    if deepest > MAX_DEPTH or nots > MAX_DEPTH or text.count("-") + text.count("+") > MAX_DEPTH:
        raise Unfit(f"it is nested or negated more than {MAX_DEPTH} times")


def _why(error: Exception, text: str) -> str:
    if isinstance(error, VisitError):
        return _why(error.orig_exc, text)
    if isinstance(error, Unfit):
        return str(error)
    if isinstance(error, UnexpectedEOF) or (isinstance(error, UnexpectedToken) and error.token.type == "$END"):
        return "it ends where more is needed"
    place = getattr(error, "pos_in_stream", None) or 0
    return f"{text[place : place + 12]!r} at character {place + 1} can't stand there"


def _short(text: str) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
