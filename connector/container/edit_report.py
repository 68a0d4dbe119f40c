"""What became of an edit of the configuration, as it is shown and sent (CONF-8)."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, unique
from typing import Any


@unique
class Effect(Enum):
    """When an edit is in force."""

    LIVE = "live"
    RESTART = "needs a restart"
    PARTLY = "partly live, the rest needs a restart"
    NEXT_START = "with the next start"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class EditedKey:
    """One key that an edit named.

    Attributes:
        key: As people write it.
        old: What stood there before, secrets hidden; None for nothing.
        new: What stands there now, secrets hidden; None for nothing.
        overridden_by: The environment variable, or `overrides`, that wins over it; None where it counts.
    """

    key: str
    old: Any
    new: Any
    overridden_by: str | None = None


@dataclass(frozen=True, slots=True)
class EditReport:
    """What became of an edit.

    Attributes:
        file: The file that was written, or would have been.
        keys: The keys that were named.
        effect: When it is in force.
        live: The settings that are in force already, by key path.
        restart: The settings that wait for a restart, by key path.
        revision: Of all files of the configuration, as they are now.
        changed: Whether anything was.
    """

    file: str
    keys: tuple[EditedKey, ...]
    effect: Effect
    live: tuple[str, ...] = ()
    restart: tuple[str, ...] = ()
    revision: str = ""
    changed: bool = field(default=True, kw_only=True)

    def to_dict(self) -> dict[str, Any]:
        """For programs."""
        return {
            "file": self.file,
            "changed": self.changed,
            "keys": [
                {"key": each.key, "old": each.old, "new": each.new, "overridden_by": each.overridden_by}
                for each in self.keys
            ],
            "effect": self.effect.value,
            "live": list(self.live),
            "restart": list(self.restart),
            "revision": self.revision,
        }
