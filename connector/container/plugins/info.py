"""One plugin as `connector plugins` lists it (OPS-3)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class PluginState(StrEnum):
    """How far a plugin has come."""

    AVAILABLE = "available"  # found; not imported, since nothing has needed it yet
    LOADED = "loaded"  # imported
    BLOCKED = "blocked"  # the allow or deny list keeps it out
    FAILED = "failed"  # it can't be described or imported, or breaks its contract
    INCOMPATIBLE = "incompatible"  # written for other versions of the contracts


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One plugin that was found.

    Attributes:
        group: The entry-point group, for example `connector.adapters`.
        name: The name used in configuration.
        distribution: The distribution that brings it; empty where unknown.
        version: The distribution's version.
        state: How far it has come.
        reason: Why it is blocked, failed or incompatible; else empty.
        provides: What it brings, for people: an adapter's capabilities and sections.
    """

    group: str
    name: str
    distribution: str
    version: str
    state: PluginState
    reason: str = ""
    provides: tuple[str, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether `PluginCatalogue.load` may succeed."""
        return self.state in (PluginState.AVAILABLE, PluginState.LOADED)
