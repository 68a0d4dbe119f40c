"""Key paths: where a value stands in a configuration, and how a person would write it."""

from __future__ import annotations

import re
from typing import TypeAlias

#: Keys of tables and indices of arrays, from the top.
KeyPath: TypeAlias = tuple[str | int, ...]

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


def show_key_path(path: KeyPath) -> str:
    """The path as in TOML, for example `resources."jdbc/ledger".pool.max_size` or `login.Payroll.stack[0].flag`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            key = part if _BARE_KEY.fullmatch(part) else _quoted(part)
            shown += f".{key}" if shown else key
    return shown or "(top)"


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else _escaped(ord(c)) for c in escaped) + '"'


def _escaped(code: int) -> str:
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
