"""Layers of a configuration over each other. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def merge(lower: Mapping[str, Any], upper: Mapping[str, Any]) -> dict[str, Any]:
    """Lay one table over another: tables are merged key by key, anything else in `upper` replaces what is in `lower`.

    Neither argument is changed, and the answer shares no table with them.
    """
    merged = {key: _copy(value) for key, value in lower.items()}
    for key, value in upper.items():
        below = merged.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            merged[key] = merge(below, value)
        else:
            merged[key] = _copy(value)
    return merged


def nest(path: tuple[str, ...], value: Any) -> dict[str, Any]:
    """A table that holds only `value` at `path` (at least one key)."""
    nested: Any = value
    for key in reversed(path):
        nested = {key: nested}
    table: dict[str, Any] = nested
    return table


def _copy(value: Any) -> Any:
    return merge(value, {}) if isinstance(value, Mapping) else value
