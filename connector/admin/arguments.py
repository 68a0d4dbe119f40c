"""The arguments of an operation, checked: they may come from another process over the socket."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, final

from connector.errors import ConfigError, Reason
from connector.spi import Secret

ARGUMENT_WRONG = Reason(
    "CF-ADM-030",
    "the argument {name!r} must be {expected}, and is {found}.",
    "Use the `connector` command of the same version as the container.",
)

ARGUMENT_EMPTY = Reason("CF-ADM-580", "{name} is empty.", "Give a text of at least one character.")


@final
class Arguments:
    """Typed access to plain data from outside.

    Args:
        plain: The arguments by name. Passwords are taken out of it into `Secret`s as they are read.

    A value of a wrong type raises ConfigError CF-ADM-030, which names the type and never the value; an empty one, which
    somebody may have typed, CF-ADM-580.
    """

    __slots__ = ("_plain",)

    def __init__(self, plain: Mapping[str, Any]) -> None:
        self._plain = dict(plain)

    def text(self, name: str) -> str:
        """A required, non-empty text."""
        value = self._plain.get(name)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "a text", value)
        return value

    def optional_text(self, name: str) -> str | None:
        """A text or None."""
        return None if self._plain.get(name) is None else self.text(name)

    def free_text(self, name: str) -> str:
        """A text that may be missing or empty."""
        return self.text(name) if self._plain.get(name) else ""

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts; missing is empty."""
        value = self._plain.get(name, [])
        if not isinstance(value, list | tuple) or not all(isinstance(item, str) and item for item in value):
            raise self._wrong(name, "a list of texts", value)
        return tuple(value)

    def seconds(self, name: str) -> float:
        """A finite duration in seconds, not negative and at most a day."""
        value = self._plain.get(name)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= 86_400:
            raise self._wrong(name, "a number of seconds from 0 to 86400", value)
        return float(value)

    def choice(self, name: str, allowed: Collection[str], default: str) -> str:
        """One of some texts; missing is the default."""
        value = self._plain.get(name, default)
        if not isinstance(value, str) or value not in allowed:
            raise self._wrong(name, f"one of {', '.join(sorted(allowed))}", value)
        return value

    def optional_whole(self, name: str, *, least: int) -> int | None:
        """A whole number that is not less than `least`, or None."""
        value = self._plain.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise self._wrong(name, f"a whole number from {least}", value)
        return value

    def flag(self, name: str) -> bool:
        """True or false; missing is false."""
        value = self._plain.get(name, False)
        if not isinstance(value, bool):
            raise self._wrong(name, "true or false", value)
        return value

    def password(self, name: str) -> Secret:
        """A required, non-empty password; taken out."""
        value = self._plain.pop(name, None)
        if not isinstance(value, str) or not value:
            raise self._wrong(name, "a text", value)
        return Secret(value)

    def anything(self, name: str) -> Any:
        """A value as it is; None where there is none."""
        return self._plain.get(name)

    @staticmethod
    def _wrong(name: str, expected: str, value: object) -> ConfigError:
        if value == "":
            return ConfigError(ARGUMENT_EMPTY, name=name)
        found = "missing" if value is None else f"of type {type(value).__name__}"
        return ConfigError(ARGUMENT_WRONG, name=name, expected=expected, found=found)

    def __repr__(self) -> str:
        return f"<Arguments {', '.join(self._plain) or 'none'}>"
