"""Declared properties: what an adapter's `ra.toml` says of its settings, as data (CONF-2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True, slots=True)
class ConfigProperty:
    """One declared property of a resource, an activation or an owned configuration section.

    Attributes:
        name: The key in TOML; `"*"` in a table whose keys are free names.
        type: `string`, `boolean`, `integer`, `number`, `duration` (seconds), `size` (bytes), `secret`
            (`file:PATH`, `env:NAME` or plain text), `path`, `list`, `table`, `any`; several separated by `|`.
        default: The value when absent; None for none.
        required: Whether absence is an error.
        choices: The allowed values, for people and check alike; empty for any.
        minimum: The least allowed number, or None.
        unit: For people: seconds, bytes, connections.
        discouraged: A value that is allowed, and that `connector check` reports; None for none.
        doc: One sentence for the reference page.
        items: What a list's elements look like, or None.
        properties: The keys of a table; the key `"*"` stands for all other names. Empty for a free table.
    """

    name: str
    type: str = "string"
    default: Any = None
    required: bool = False
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    unit: str = ""
    discouraged: Any = None
    doc: str = ""
    items: ConfigProperty | None = None
    properties: Mapping[str, ConfigProperty] = field(default_factory=lambda: MappingProxyType({}))
