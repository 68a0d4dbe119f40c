"""What is asked of a directory and what it answers; names that may be asked for. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

_LONGEST_NAME: Final = 256
# RFC 4515, 3: what would otherwise be syntax.
_ESCAPED: Final = {ord(char): f"\\{ord(char):02x}" for char in "\\*()\0"}


@dataclass(frozen=True, slots=True)
class Query:
    """One search.

    Attributes:
        base: Where it begins.
        filter: The filter; values in it went through `equals`.
        attributes: What is to be answered of each entry.
        many: Whether there may be many: they are asked for by pages. Else two are an ambiguity.
        entry_only: Whether the base itself is meant, not what is below it.
    """

    base: str
    filter: str
    attributes: tuple[str, ...]
    many: bool = False
    entry_only: bool = False


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as answered.

    Attributes:
        dn: Its distinguished name.
        values: The values of each attribute, whose name is in small letters; may hold secrets, so not shown.
    """

    dn: str
    values: Mapping[str, tuple[bytes, ...]] = field(repr=False)

    def texts(self, attribute: str) -> tuple[str, ...]:
        """The values of an attribute that are texts."""
        found = []
        for value in self.values.get(attribute.lower(), ()):
            try:
                found.append(value.decode())
            except UnicodeDecodeError:
                continue
        return tuple(found)


def equals(attribute: str, value: str) -> str:
    """A filter for one value: whatever it holds, it is a value and no syntax."""
    return f"({attribute}={value.translate(_ESCAPED)})"


def both(*filters: str) -> str:
    """A filter for what passes all of them."""
    return f"(&{''.join(filters)})"


def either(filters: Iterable[str]) -> str:
    """A filter for what passes one of them."""
    return f"(|{''.join(filters)})"


def can_be_a_name(name: str) -> bool:
    """Whether a directory may be asked for it: not empty, printable, no blanks at the ends, not endless.

    A directory ignores blanks at the ends, so that such a name would be somebody else's.
    """
    return bool(name) and len(name) <= _LONGEST_NAME and name.isprintable() and name == name.strip()
