"""The figures of one adapter's works, and what they are called as measurements (OPS-2).

===============================  ==================================================================================
name                             what of `WorkStatistics`
===============================  ==================================================================================
connector.work.count             `active` and `queued`, by `connector.work.state`, `connector.work.kind` (short)
connector.work.count             `long_running` and `long_running_queued`, the same with the kind long-running
connector.work.completed         `completed`
connector.work.failed            `failed`: those among the completed ones that ended with an error
connector.work.rejected          `rejected`
===============================  ==================================================================================

All of them have the attribute `connector.adapter`; it is empty for what the container itself submits.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType

from connector.spi import Instrument, Measurement

ADAPTER = "connector.adapter"
STATE = "connector.work.state"
KIND = "connector.work.kind"


@dataclass(frozen=True, slots=True)
class WorkStatistics:
    """One adapter's works at one instant, and since the start.

    Attributes:
        adapter: The adapter's name; empty for the container itself.
        active: Short works that run, those that wait for a nested one included.
        queued: Short works that wait for their turn.
        long_running: Long-running works that run.
        long_running_queued: Long-running works that wait for their turn.
        completed: Works that ended, with or without an error.
        failed: Those of them that ended with an error, a context that could not be set up included.
        rejected: Works that were never run.
    """

    adapter: str
    active: int = 0
    queued: int = 0
    long_running: int = 0
    long_running_queued: int = 0
    completed: int = 0
    failed: int = 0
    rejected: int = 0

    def measurements(self) -> Iterator[Measurement]:
        """The figures by the names in the table above. Pure."""
        for kind, active, queued in (
            ("short", self.active, self.queued),
            ("long-running", self.long_running, self.long_running_queued),
        ):
            for state, value in (("active", active), ("queued", queued)):
                yield Measurement(
                    "connector.work.count",
                    Instrument.GAUGE,
                    value,
                    "{work}",
                    "Works that run or wait for their turn.",
                    MappingProxyType({ADAPTER: self.adapter, KIND: kind, STATE: state}),
                )
        for name, value, description in (
            ("completed", self.completed, "Works that ended, with or without an error."),
            ("failed", self.failed, "Works that ended with an error."),
            ("rejected", self.rejected, "Works that were never run."),
        ):
            attributes = MappingProxyType({ADAPTER: self.adapter})
            yield Measurement(f"connector.work.{name}", Instrument.COUNTER, value, "{work}", description, attributes)
