"""The options of login modules, as far as only the modules themselves can judge them (SIGN-4)."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import replace

from connector.container.configuration.key_paths import show_key_path
from connector.errors import ConnectorError, Problem
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.security.login_outcome import CONSEQUENCE
from connector.spi import IN_THE_OPTIONS

log = logging.getLogger("connector.container")


def mistakes_in_options(logins: Mapping[str, LoginConfiguration], names: Iterable[str]) -> tuple[Problem, ...]:
    """All mistakes that the modules of these configurations find in their options; those in the file not yet placed.

    A module that can't be imported is no mistake of the options: it fails as its own link of the chain and obeys its
    flag (connectors.md 2.16, rule 6), and that is said in a warning. Blocks for imports and the disk.
    """
    problems: list[Problem] = []
    for name in names:
        for number, entry in enumerate(logins[name].entries):
            looked = look_at(entry, show_key_path(("login", name, "stack", number)))
            if isinstance(looked, str):
                log.warning(
                    "module %r of login configuration %r can't be made: %s; %s",
                    entry.module,
                    name,
                    looked,
                    CONSEQUENCE[entry.flag],
                )
            else:
                problems += looked
    return tuple(problems)


def look_at(entry: ChainEntry, place: str) -> tuple[Problem, ...] | str:
    """The mistakes in the options of one link that stands at that place; or, in words, why it can't be asked."""
    try:
        found = entry.mistakes()
    except ConnectorError as error:
        return f"{error.code}: {error.text.rstrip('.')}"
    except Exception as error:  # noqa: BLE001 - foreign code; its text may hold an option's value
        return type(error).__name__
    return tuple(_within(problem, f"{place}.options") for problem in found)


def _within(problem: Problem, place: str) -> Problem:
    if problem.file != IN_THE_OPTIONS:
        return problem
    path = problem.key_path
    return replace(problem, key_path=f"{place}{path if path.startswith('[') or not path else f'.{path}'}")
