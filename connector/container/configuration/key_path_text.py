"""Key paths as people write them: `buses.weather.destinations."forecast.requests".roles.sender` (CONF-8)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from connector.container.configuration.key_paths import KeyPath
from connector.errors import ConfigError, Reason

KEY_PATH_WRONG = Reason(
    "CF-CONF-070",
    "the key path {text!r} can't be read at {rest!r}.",
    'Write keys with dots between them, one with a dot in it in quotes: resources."jdbc/ledger".pool.max_size.',
)

_QUOTED = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
# More than TOML's bare keys: `resources.jdbc/ledger` has only one meaning, and a shell takes quotes away.
_BARE = re.compile(r"[^\s.\[\]\"'=#]+")
_INDEX = re.compile(r"\[(\d+)\]")


def parse_key_path(text: str) -> KeyPath:
    """The key path that a text means. Pure.

    Keys are separated by dots; a key with a dot in it stands in double or single quotes, as in TOML; `[0]` is an
    element of an array. Raises ConfigError (CF-CONF-070).
    """
    path: KeyPath = ()
    position = 0
    while True:
        match = _QUOTED.match(text, position)
        if match is not None:
            try:
                path = (*path, tomllib.loads(f"key = {match.group()}")["key"])
            except tomllib.TOMLDecodeError:
                raise _wrong(text, position) from None
        else:
            match = _BARE.match(text, position)
            if match is None:
                raise _wrong(text, position)
            path = (*path, match.group())
        position = match.end()
        while (index := _INDEX.match(text, position)) is not None:
            path = (*path, int(index[1]))
            position = index.end()
        if position == len(text):
            return path
        if text[position] != ".":
            raise _wrong(text, position)
        position += 1


def joined_where_known(path: KeyPath, data: Mapping[str, Any]) -> KeyPath:
    """The path with keys joined that a shell has taken the quotes of. Pure.

    `destinations.forecast.requests` means `destinations."forecast.requests"` where the table has that key and no
    `forecast`; the longest such key wins. What is there as it is written stays as it is.
    """
    found: KeyPath = ()
    here: Any = data
    rest = path
    while rest:
        taken = 1
        if isinstance(here, Mapping) and rest[0] not in here:
            taken = next((n for n in range(len(rest), 1, -1) if _joined(rest[:n]) in here), 1)
        part: str | int = rest[0] if taken == 1 else _joined(rest[:taken]) or ""
        found, rest = (*found, part), rest[taken:]
        here = _below(here, part)
    return found


def value_at(data: Any, path: KeyPath, default: Any = None) -> Any:
    """What stands at a path; the default where nothing does. Pure."""
    here = data
    for part in path:
        here = _below(here, part, default)
        if here is default:
            return default
    return here


def _below(here: Any, part: str | int, default: Any = None) -> Any:
    if isinstance(here, Mapping):
        return here.get(part, default)
    if isinstance(here, list | tuple) and isinstance(part, int) and part < len(here):
        return here[part]
    return default


def _joined(parts: KeyPath) -> str | None:
    return None if any(isinstance(part, int) for part in parts) else ".".join(str(part) for part in parts)


def _wrong(text: str, position: int) -> ConfigError:
    return ConfigError(KEY_PATH_WRONG, text=text, rest=text[position:])
