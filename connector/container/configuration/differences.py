"""What two configurations say differently: the key paths, down to the single value. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from connector.container.configuration.key_paths import KeyPath

_MISSING: Final = object()


def changed_paths(old: Mapping[str, Any], new: Mapping[str, Any]) -> tuple[KeyPath, ...]:
    """The paths at which two configurations differ, in order.

    Tables are looked into, lists are compared as a whole. A table that only one of them has counts by its values; an
    empty one by itself.
    """
    return tuple(_changed(old, new, ()))


def _changed(old: Any, new: Any, path: KeyPath) -> Iterator[KeyPath]:
    tables = isinstance(old, Mapping), isinstance(new, Mapping)
    if tables == (True, True):
        for key in dict.fromkeys((*old, *new)):
            yield from _changed(old.get(key, _MISSING), new.get(key, _MISSING), (*path, key))
    elif tables in ((True, False), (False, True)) and _MISSING in (old, new):
        table = old if tables[0] else new
        if not table:
            yield path
        for key in table:
            before, after = (table[key], _MISSING) if tables[0] else (_MISSING, table[key])
            yield from _changed(before, after, (*path, key))
    elif type(old) is not type(new) or old != new:
        yield path


def is_below(path: KeyPath, *roots: KeyPath) -> bool:
    """Whether a path is one of some others, or lies below one of them."""
    return any(path[: len(root)] == root for root in roots)
