"""What a plugin may see of a running container: its own settings, and figures. Nothing that acts, nothing secret.

It is redacted by type: a measurement has room for numbers and for names from the configuration, and for nothing else.
The names are those of OpenTelemetry's conventions for database clients where these have one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol

#: The attribute that holds a user's name. Exporters leave such measurements out unless they are told otherwise:
#: there may be as many as there are users, and who works when is personal.
IDENTITY = "connector.identity"


class Instrument(Enum):
    """How a value behaves over time."""

    GAUGE = "gauge"  # goes up and down
    COUNTER = "counter"  # since the container's start; only goes up
    TIMING = "timing"  # the same for durations: their sum in seconds, and how many there were


@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure at one instant.

    Attributes:
        name: What is measured, in OpenTelemetry's spelling, for example `db.client.connection.count`.
        instrument: How it behaves.
        value: The figure; of a timing the sum.
        unit: The unit by UCUM, for example `{connection}` or `s`.
        description: One sentence.
        attributes: What it belongs to, names only.
        count: Of a timing, how many durations the sum is of; else None.
    """

    name: str
    instrument: Instrument
    value: float
    unit: str
    description: str
    attributes: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    count: int | None = None


class ObservedContainer(Protocol):
    """A running container as a plugin sees it. Safe to use from any thread, until the container stops."""

    @property
    def name(self) -> str:
        """The container's name."""
        ...

    @property
    def sections(self) -> Mapping[str, Any]:
        """The configuration sections that the plugin's `plugin.toml` owns and the file has: checked, defaults filled
        in. A plugin sees no other's.
        """
        ...

    def measurements(self) -> tuple[Measurement, ...]:
        """All figures of this instant. Does not block, except for closing connections that were never given back."""
        ...
