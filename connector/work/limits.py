"""How many works may run at once: of all adapters together, and of one (FLOW-1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class AdapterLimits:
    """One adapter's own limits; None for no other limit than that of all together.

    Attributes:
        max_threads: How many of its short works may run at once.
        max_long_running: How many of its long-running works may.
    """

    max_threads: int | None = None
    max_long_running: int | None = None


@dataclass(frozen=True, slots=True)
class WorkLimits:
    """The limits of a work manager; what is above them waits.

    Attributes:
        max_threads: How many short works may run at once.
        max_long_running: How many works with the hint `long_running` may, beside the short ones.
        per_adapter: Limits of single adapters, by name.
    """

    max_threads: int = 16
    max_long_running: int = 64
    per_adapter: Mapping[str, AdapterLimits] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, adapter: str) -> AdapterLimits:
        """The limits of one adapter. Pure."""
        return self.per_adapter.get(adapter, AdapterLimits())
