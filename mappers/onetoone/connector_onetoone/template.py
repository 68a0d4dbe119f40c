"""Templates of aliases and users: `sales-{1}`, `{caller}-{property.target}`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from connector.spi import LoginFailed

_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_OF_EVERY_RULE = frozenset({"caller", "realm"})
_PROPERTY = "property."


def unknown_placeholders(template: str, pattern: re.Pattern[str] | None) -> Iterator[str]:
    """The placeholders that a rule with this pattern can't fill. Pure."""
    groups = set() if pattern is None else {*pattern.groupindex, *map(str, range(pattern.groups + 1))}
    for name in _PLACEHOLDER.findall(template):
        if not (name in groups or name in _OF_EVERY_RULE or (name.startswith(_PROPERTY) and name != _PROPERTY)):
            yield name


def placeholders(pattern: re.Pattern[str] | None) -> str:
    """Those that it can fill, in words."""
    groups = [] if pattern is None else [*map(str, range(1, pattern.groups + 1)), *pattern.groupindex]
    return ", ".join(f"{{{name}}}" for name in [*groups, *sorted(_OF_EVERY_RULE), f"{_PROPERTY}NAME"])


def filled(template: str, found: Mapping[str, str], properties: Mapping[str, str]) -> str:
    """The text that a template stands for. Pure.

    Args:
        template: As configured.
        found: What the rule has found in the caller, by placeholder.
        properties: The mapping properties of the reference.

    Raises:
        LoginFailed: the reference lacks a mapping property that is named, or nothing is left.
    """

    def value(match: re.Match[str]) -> str:
        name = match[1]
        if name in found:
            return found[name]
        text = properties.get(name.removeprefix(_PROPERTY)) if name.startswith(_PROPERTY) else None
        if text is None:
            raise LoginFailed(
                f"nothing stands for {{{name}}} in {template!r}",
                "Give the reference that mapping property, or correct the rule.",
            )
        return text

    text = _PLACEHOLDER.sub(value, template)
    if not text:
        raise LoginFailed(f"nothing is left of {template!r}", "Correct the rule.")
    return text
