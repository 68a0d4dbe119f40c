"""Overrides from the environment (CONF-1).

`CONNECTOR__RESOURCES__JDBC_LEDGER__POOL__MAX_SIZE=20` sets `resources."jdbc/ledger".pool.max_size`: two underscores
separate keys, each of which means the key that is there already and spells the same in capitals with everything but
letters and digits as `_`, else a new key in lower case. A value is TOML where it can be read as such, else text; where
a text stood, it stays text. `…__PASSWORD_FILE=/run/secrets/x` takes the text of that file.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector.container.configuration.key_paths import show_key_path
from connector.container.configuration.merge import merge, nest
from connector.container.configuration.origins import ENVIRONMENT
from connector.container.configuration.problems import listed
from connector.errors import Problem, Reason

PREFIX = "CONNECTOR__"
_FROM_FILE = "_FILE"

NOT_A_KEY_PATH = Reason(
    "CF-CONF-020", "the variable {variable}, which has an empty key", "Put two underscores between keys, none else."
)
BELOW_A_VALUE = Reason(
    "CF-CONF-021", "the variable {variable}, which goes below a value that is no table", "Correct its name."
)
AMBIGUOUS = Reason("CF-CONF-022", "the variable {variable}, which fits several keys", "Rename one of the keys.")
VALUE_FILE_UNREADABLE = Reason(
    "CF-CONF-023", "the variable {variable}, whose file can't be read ({cause})", "Name a file that may be read."
)
SET_TWICE = Reason(
    "CF-CONF-024", "the variable {variable}, which sets what {other} sets as well", "Remove one of the two."
)


@dataclass(frozen=True, slots=True)
class EnvironmentLayer:
    """What the environment overrides.

    Attributes:
        table: The overrides as one table.
        variables: The variable that set each key path.
        problems: Variables that can't be understood.
    """

    table: dict[str, Any] = field(default_factory=dict)
    variables: dict[tuple[str, ...], str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def environment_layer(environ: Mapping[str, str], data: Mapping[str, Any]) -> EnvironmentLayer:
    """The overrides for a configuration that says `data` so far. Pure, but for files that `…_FILE` variables name."""
    layer = EnvironmentLayer()
    table: dict[str, Any] = {}
    for variable in sorted(name for name in environ if name.startswith(PREFIX)):
        target = _target(variable, merge(data, table), environ[variable])
        if isinstance(target, Problem):
            layer.problems.append(target)
            continue
        path, value = target
        other = layer.variables.setdefault(path, variable)
        if other != variable:
            layer.problems.append(_problem(SET_TWICE, variable, show_key_path(path), "one variable", other=other))
            continue
        table = merge(table, nest(path, value))
    layer.table.update(table)
    return layer


def _target(variable: str, data: Mapping[str, Any], text: str) -> tuple[tuple[str, ...], Any] | Problem:
    """The key path and the value that one variable means."""
    segments = variable[len(PREFIX) :].split("__")
    if not all(segments):
        return _problem(NOT_A_KEY_PATH, variable, variable, f"{PREFIX}SECTION__KEY")
    path: tuple[str, ...] = ()
    below: Any = data
    from_file = False
    for number, segment in enumerate(segments):
        if not isinstance(below, Mapping):
            return _problem(BELOW_A_VALUE, variable, show_key_path(path), "a key of a table")
        keys = _keys_like(segment, below)
        last = number == len(segments) - 1
        if last and not keys and segment.endswith(_FROM_FILE) and segment != _FROM_FILE:
            from_file = True
            segment = segment.removesuffix(_FROM_FILE)
            keys = _keys_like(segment, below)
        if len(keys) > 1:
            return _problem(AMBIGUOUS, variable, show_key_path(path), f"one of {listed(keys)}")
        key = keys[0] if keys else segment.lower()
        path = (*path, key)
        below = below.get(key, {} if not last else None)
    if not from_file:
        return path, text if isinstance(below, str) else toml_value(text)
    try:
        return path, Path(text).read_text("utf-8").removesuffix("\n").removesuffix("\r")
    except (OSError, UnicodeDecodeError) as error:
        cause = type(error).__name__
        return _problem(VALUE_FILE_UNREADABLE, variable, show_key_path(path), "a file with UTF-8 text", cause=cause)


def _keys_like(segment: str, table: Mapping[str, Any]) -> list[str]:
    """The keys that a segment may mean; the one that is written just so wins."""
    folded = _fold(segment)
    keys = [key for key in table if _fold(key) == folded]
    exact = [key for key in keys if key == segment.lower()]
    return exact or keys


def _fold(key: str) -> str:
    return re.sub(r"[^a-z0-9]", "_", key.lower())


def toml_value(text: str) -> Any:
    """The TOML value that the whole text is, else the text itself: `20` is a number, `20#x` and `a, b` are texts."""
    try:
        # In brackets on one line: a comment would swallow the closing one, so it can't hide the rest of the text.
        (value,) = tomllib.loads(f"value = [{text}]")["value"]
    except (tomllib.TOMLDecodeError, ValueError):
        return text
    return text if "\n" in text or text.rstrip().endswith(",") else value


def _problem(reason: Reason, variable: str, key_path: str, allowed: str, **inserts: str) -> Problem:
    found = reason.text.format(variable=variable, **inserts)
    return Problem(reason.code, ENVIRONMENT, None, key_path, found, allowed, reason.action)
