"""Rules: patterns over callers, and groups, each with the alias for those whom it fits; the first that fits decides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from connector.errors import Problem
from connector_onetoone.callers import EVERYBODY, Named, User
from connector_onetoone.reasons import (
    NAME_WRONG,
    PATTERN_WITHOUT_REALM,
    PATTERN_WRONG,
    PLACEHOLDER_UNKNOWN,
    RULE_FOR_NOBODY,
    RULE_UNREACHABLE,
    TEXT_MISSING,
    mistake,
)
from connector_onetoone.template import placeholders, unknown_placeholders


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Immutable.

    Attributes:
        number: Its place, from 1.
        alias: The template of the alias.
        user: The template of the user; None for the alias's own.
        pattern: For whom: what fits the whole of NAME@REALM; None for everybody, or those of the group.
        group: For whom: the members of this group; None for a rule of callers.
    """

    number: int
    alias: str
    user: str | None = None
    pattern: re.Pattern[str] | None = None
    group: Named | None = None

    def found_in(self, user: User, realm: str) -> Mapping[str, str] | None:
        """What the placeholders stand for, or None for a user whom it doesn't fit. Pure."""
        found = {"caller": user.name, "realm": user.realm}
        if self.group is not None:
            member = user.is_of(self.group.realm, realm) and self.group.name in user.groups
            return found if member else None
        if self.pattern is None:
            return found
        match = self.pattern.fullmatch(user.whole) if user.whole is not None else None
        if match is None:
            return None
        numbered = {str(number): match[number] or "" for number in range(self.pattern.groups + 1)}
        return {**found, **numbered, **{name: text or "" for name, text in match.groupdict().items()}}

    def __str__(self) -> str:
        if self.group is not None:
            whom = f"group {self.group.name!r}" + (f" of {self.group.realm!r}" if self.group.realm else "")
        else:
            whom = f"caller {EVERYBODY if self.pattern is None else self.pattern.pattern!r}"
        return f"rule {self.number} ({whom})"


def read_rules(configured: Sequence[Mapping[str, Any]]) -> tuple[tuple[Rule, ...], tuple[Problem, ...]]:
    """The rules that are right, and all mistakes of the others. Pure."""
    rules: list[Rule] = []
    problems: list[Problem] = []
    everybody: int | None = None
    for number, table in enumerate(configured):
        place = f"rules[{number}]"
        if everybody is not None:
            problems.append(mistake(RULE_UNREACHABLE, place, "nothing after it"))
        rule, wrong = _read_rule(table, number + 1, place)
        problems += wrong
        if rule is not None and not wrong:
            rules.append(rule)
        if table.get("caller") == EVERYBODY:
            everybody = number
    return tuple(rules), tuple(problems)


def _read_rule(table: Mapping[str, Any], number: int, place: str) -> tuple[Rule | None, list[Problem]]:
    caller, group = table.get("caller"), table.get("group")
    if (caller is None) == (group is None):
        count = "neither" if caller is None else "both"
        return None, [mistake(RULE_FOR_NOBODY, place, "`caller` or `group`", count=count)]
    problems: list[Problem] = []
    pattern: re.Pattern[str] | None = None
    named = Named.read(str(group)) if group is not None else None
    if group is not None and named is None:
        problems.append(mistake(NAME_WRONG, f"{place}.group", "GROUP or GROUP@REALM", name=group))
    if caller is not None and caller != EVERYBODY:
        try:
            pattern = re.compile(str(caller))
        except re.error as error:
            return None, [mistake(PATTERN_WRONG, f"{place}.caller", "a regular expression", why=error.msg)]
        if "@" not in str(caller) and re.escape(str(caller)) == caller:
            problems.append(
                mistake(PATTERN_WITHOUT_REALM, f"{place}.caller", "a pattern of NAME@REALM", pattern=caller)
            )
    problems += _wrong_templates(table, place, pattern)
    alias, user = table.get("alias"), table.get("user")
    return Rule(number, str(alias), user and str(user), pattern, named), problems


def _wrong_templates(table: Mapping[str, Any], place: str, pattern: re.Pattern[str] | None) -> Iterator[Problem]:
    for key in ("alias", "user"):
        text = table.get(key)
        if (text is None and key == "alias") or (text is not None and (not isinstance(text, str) or not text)):
            yield mistake(TEXT_MISSING, f"{place}.{key}", "a text")
        elif text is not None:
            for name in unknown_placeholders(text, pattern):
                yield mistake(PLACEHOLDER_UNKNOWN, f"{place}.{key}", placeholders(pattern), name=name)
