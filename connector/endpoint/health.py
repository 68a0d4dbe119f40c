"""Whether an activation is healthy: subscribed, and its source seen within so many seconds. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from connector.spi import ActivationHealth, Instrument, Measurement


@dataclass(frozen=True, slots=True)
class Standing:
    """Where an activation is.

    Attributes:
        state: The value of its `ActivationState`.
        error: Why it failed, in words; empty where it hasn't.
        next_attempt: Seconds until it is tried again; None where it won't be.
        attempts: How often it was tried.
    """

    state: str
    error: str = ""
    next_attempt: float | None = None
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class ActivationReport:
    """One activation at one instant.

    Attributes:
        name: `application:activation`.
        resource: The activation specification's global name.
        standing: Where it is.
        healthy: Whether messages that come now are delivered.
        problem: Why not; empty where it is healthy. Also what keeps deliveries waiting for the moment.
        polled: Seconds since its source was seen to answer; None where it isn't active or was not seen.
    """

    name: str
    resource: str
    standing: Standing
    healthy: bool
    problem: str
    polled: float | None

    def to_dict(self) -> dict[str, Any]:
        """As plain data, for `status` and for programs."""
        application, _, activation = self.name.partition(":")
        return {
            "application": application,
            "activation": activation,
            "resource": self.resource,
            "state": self.standing.state,
            "healthy": self.healthy,
            "problem": self.problem or None,
            "error": self.standing.error or None,
            "polled": None if self.polled is None else round(self.polled, 3),
            "attempts": self.standing.attempts,
            "next_attempt": None if self.standing.next_attempt is None else round(self.standing.next_attempt, 3),
        }

    def measurements(self) -> Iterator[Measurement]:
        """Whether it is healthy (1 or 0), and how often it was tried."""
        application, _, activation = self.name.partition(":")
        of = {"connector.application": application, "connector.activation": activation}
        yield Measurement(
            "connector.activation.healthy",
            Instrument.GAUGE,
            int(self.healthy),
            "1",
            "Whether the subscription stands and its source was seen of late.",
            {**of, "connector.state": self.standing.state},
        )
        yield Measurement(
            "connector.activation.attempts",
            Instrument.COUNTER,
            self.standing.attempts,
            "{attempt}",
            "Attempts to subscribe.",
            of,
        )


def report(
    name: str, resource: str, standing: Standing, said: ActivationHealth | str | None, within: float
) -> ActivationReport:
    """Judge. Pure.

    Args:
        name: `application:activation`.
        resource: The activation specification's global name.
        standing: Where it is.
        said: The adapter's word; a text in its place for what it raised; None where it isn't active.
        within: Seconds within which the source must have answered.
    """
    problem = _problem(standing, said, within)
    polled = said.polled if isinstance(said, ActivationHealth) else None
    healthy = not problem
    if healthy and isinstance(said, ActivationHealth):
        problem = said.waiting and f"deliveries wait: {said.waiting}"
    return ActivationReport(name, resource, standing, healthy, problem, polled)


def _problem(standing: Standing, said: ActivationHealth | str | None, within: float) -> str:
    if said is None:
        return standing.state
    if isinstance(said, str):
        return f"the adapter raised {said}"
    if not said.subscribed:
        return "not subscribed"
    if said.polled is None:
        return "its source was not seen yet"
    if said.polled > within:
        return f"its source was not seen for {said.polled:.0f} s"
    return ""
