"""The options of a one-to-one mapping, checked as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.errors import Problem
from connector.spi import Dependency, LoginFailed
from connector_onetoone.reasons import CHOICE_WRONG, NO_REALM, NOTHING_TO_MAP_BY, mistake
from connector_onetoone.rules import Rule, read_rules
from connector_onetoone.table_file import table_file

#: `own_credential`: which of the caller's own credentials are used.
THIS_RESOURCE, ANY_RESOURCE = "this-resource", "any-resource"


@dataclass(frozen=True, slots=True)
class OneToOneSettings:
    """What callers are mapped by, in the order in which it is asked.

    Attributes:
        own_credential: `this-resource`, `any-resource`, or None for neither.
        table: The file of the table, or None.
        rules: The rules in order.
        realm: Whose callers and groups are those without @REALM; `*` for those of any.
        fail_unmapped: Whether a caller whom nothing maps is refused here.
    """

    own_credential: str | None
    table: Path | None
    rules: tuple[Rule, ...]
    realm: str
    fail_unmapped: bool

    @property
    def depends_on(self) -> frozenset[Dependency]:
        """What the outcome depends on beyond the table's file."""
        found: set[Dependency] = set()
        if self.own_credential is not None:
            found.add(Dependency.CREDENTIALS)
        if self.table is not None or self.rules:
            found |= {Dependency.CALLER, Dependency.ALIAS}
        if any(rule.group is not None for rule in self.rules):
            found.add(Dependency.GROUPS)
        return frozenset(found)


def read_settings(options: Mapping[str, Any]) -> OneToOneSettings:
    """The settings of the options. Pure.

    Raises:
        LoginFailed: They are wrong; the text has the first mistake, `mistakes_in` has all.
    """
    rules, problems = read_rules(options.get("rules", ()))
    wrong = (*_wrong(options), *problems)
    if wrong:
        raise LoginFailed(
            f"its options have {len(wrong)} mistake(s), the first: {wrong[0].key_path}: {wrong[0].found}", wrong[0].hint
        )
    table = options.get("table")
    return OneToOneSettings(
        own_credential=options.get("own_credential"),
        table=None if table is None else Path(table),
        rules=rules,
        realm=str(options.get("realm", "")),
        fail_unmapped=options.get("unmapped") == "fail",
    )


def mistakes_in(options: Mapping[str, Any]) -> tuple[Problem, ...]:
    """All mistakes in the options, and in the table as it stands now. Blocks for the table's file."""
    table = options.get("table")
    of_the_table = () if table is None else table_file(Path(table)).current().problems
    return (*_wrong(options), *read_rules(options.get("rules", ()))[1], *of_the_table)


def _wrong(options: Mapping[str, Any]) -> Iterator[Problem]:
    by_caller = options.get("table") is not None or bool(options.get("rules"))
    if not by_caller and options.get("own_credential") is None:
        yield mistake(NOTHING_TO_MAP_BY, "", "one of them, or several")
    if by_caller and not options.get("realm"):
        yield mistake(NO_REALM, "realm", "a realm, or * for all")
    if options.get("own_credential") not in (None, THIS_RESOURCE, ANY_RESOURCE):
        yield mistake(CHOICE_WRONG, "own_credential", f"{THIS_RESOURCE} or {ANY_RESOURCE}")
    if options.get("unmapped") not in (None, "ignore", "fail"):
        yield mistake(CHOICE_WRONG, "unmapped", "ignore or fail")
