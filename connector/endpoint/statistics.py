"""What has become of the messages given to one handler: counted here, read as an immutable snapshot (FLOW-8).

=====================================  ===============================================================================
name                                   what of `DeliveryStatistics`
=====================================  ===============================================================================
connector.delivery.ended               `ended`, by `connector.outcome`
connector.delivery.refused             `refused`, by `connector.reason`: misuse by the adapter
connector.delivery.active              `active`
connector.delivery.longest             `longest`
connector.delivery.time                `seconds` of all that have ended
=====================================  ===============================================================================

All of them have the attributes `connector.application` and `connector.activation`.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType
from typing import final

from connector.errors import AccessDenied, ConnectorError
from connector.spi import Instrument, Measurement, identity_outage


class DeliveryOutcome(Enum):
    """How a delivery ended."""

    DELIVERED = "delivered"
    DENIED = "denied"  # the caller is in no allowed role; the handler was not called
    ROLLED_BACK = "rolled-back"  # the handler returned, but its unit of work could not be committed
    OUTAGE = "outage"  # a user registry or directory did not answer; the message is not to blame
    FAILED = "failed"

    @classmethod
    def of(cls, error: BaseException | None, *, handled: bool) -> DeliveryOutcome:
        """The outcome of a delivery that ended by this error. Pure.

        Args:
            error: What the adapter is told; None for success.
            handled: Whether the handler returned.
        """
        if error is None:
            return cls.DELIVERED
        if identity_outage(error) is not None:
            return cls.OUTAGE
        if isinstance(error, AccessDenied):
            return cls.DENIED
        return cls.ROLLED_BACK if handled else cls.FAILED


@dataclass(frozen=True, slots=True)
class DeliveryStatistics:
    """The figures of one activation at one instant.

    Attributes:
        ended: How many deliveries ended how.
        refused: How many calls of the adapter were refused, by code: after the end, twice at once, out of order.
        active: How many handlers run now.
        longest: Seconds that the one runs that runs the longest; 0 where none does.
        seconds: Seconds that handlers have run, of all deliveries that have ended.
    """

    ended: Mapping[DeliveryOutcome, int] = field(default_factory=lambda: MappingProxyType({}))
    refused: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
    active: int = 0
    longest: float = 0.0
    seconds: float = 0.0

    def measurements(self, application: str, activation: str) -> Iterator[Measurement]:
        """The figures by name; see the top of this module."""
        of = {"connector.application": application, "connector.activation": activation}
        name = "connector.delivery"
        for outcome in DeliveryOutcome:
            yield Measurement(
                f"{name}.ended",
                Instrument.COUNTER,
                self.ended.get(outcome, 0),
                "{delivery}",
                "Deliveries to a handler that have ended, by outcome.",
                {**of, "connector.outcome": outcome.value},
            )
        for code, count in self.refused.items():
            yield Measurement(
                f"{name}.refused",
                Instrument.COUNTER,
                count,
                "{call}",
                "Calls by which an adapter misused an endpoint.",
                {**of, "connector.reason": code},
            )
        yield Measurement(
            f"{name}.active", Instrument.GAUGE, self.active, "{delivery}", "Handlers that run at this instant.", of
        )
        yield Measurement(
            f"{name}.longest", Instrument.GAUGE, self.longest, "s", "How long the one runs that runs the longest.", of
        )
        yield Measurement(
            f"{name}.time",
            Instrument.TIMING,
            self.seconds,
            "s",
            "Time that handlers took.",
            of,
            count=sum(self.ended.values()),
        )

    def to_dict(self) -> dict[str, object]:
        """The figures as plain data, for `status`; what never happened is left out."""
        return {
            **{outcome.value: count for outcome, count in self.ended.items()},
            "active": self.active,
            **({"longest": round(self.longest, 3)} if self.active else {}),
            **({"refused": dict(self.refused)} if self.refused else {}),
        }


@final
class DeliveryCounts:
    """Counts. Safe to use from any thread; nothing in it blocks.

    Args:
        limit: How many handlers may run at once.
        monotonic: Seconds of a clock that only goes on.
    """

    # Mutable state, changed under `_lock`: `_running` (token → begin), `_next`, `_ended`, `_refused`, `_seconds`.

    def __init__(self, limit: int, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._running: dict[int, float] = {}
        self._next = 0
        self._ended: Counter[DeliveryOutcome] = Counter()
        self._refused: Counter[str] = Counter()
        self._seconds = 0.0

    def begin(self) -> int | None:
        """A handler is to run: a token for `end`; None where as many run as may."""
        with self._lock:
            if len(self._running) >= self._limit:
                return None
            self._next += 1
            self._running[self._next] = self._monotonic()
            return self._next

    def end(self, token: int) -> None:
        """The handler has ended, in whatever way."""
        with self._lock:
            self._seconds += self._monotonic() - self._running.pop(token)

    def ended(self, outcome: DeliveryOutcome) -> None:
        """The delivery has ended: once for each."""
        with self._lock:
            self._ended[outcome] += 1

    def refused(self, error: ConnectorError) -> None:
        """A call of the adapter was refused."""
        with self._lock:
            self._refused[error.code] += 1

    def statistics(self) -> DeliveryStatistics:
        """The figures of this instant."""
        with self._lock:
            now = self._monotonic()
            return DeliveryStatistics(
                MappingProxyType(dict(self._ended)),
                MappingProxyType(dict(self._refused)),
                len(self._running),
                max((now - begun for begun in self._running.values()), default=0.0),
                self._seconds,
            )
