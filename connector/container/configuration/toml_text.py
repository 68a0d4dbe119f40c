"""Pieces of TOML text: keys and values as they are written, lines, and what can't be edited. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import tomlkit

from connector.container.configuration.key_paths import KeyPath, show_key_path
from connector.errors import ConfigError, Reason

CANT_EDIT = Reason(
    "CF-CONF-071",
    "the key {key} can't be changed by command: {why}.",
    "Change it in the file by hand, then run `connector config reload`.",
)

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def line_start(text: str, position: int) -> int:
    """Where the line begins."""
    return text.rfind("\n", 0, position) + 1


def line_end(text: str, position: int) -> int:
    """Behind the end of the line, with its comment."""
    found = text.find("\n", position)
    return len(text) if found < 0 else found + 1


def written_key(path: KeyPath) -> str:
    """A dotted key, quoted where it has to be."""
    return ".".join(part if _BARE_KEY.fullmatch(part) else tomlkit.item(part).as_string() for part in map(str, path))


def written_value(value: Any) -> str:
    """A value on one line, as TOML."""
    if isinstance(value, Mapping):
        inner = ", ".join(f"{written_key((key,))} = {written_value(below)}" for key, below in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(written_value(element) for element in value)}]"
    return str(tomlkit.item(value).as_string())


def cant_edit(path: KeyPath, why: str) -> ConfigError:
    """The error for an edit that can't be made."""
    return ConfigError(CANT_EDIT, key=show_key_path(path), why=why)
