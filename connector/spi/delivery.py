"""How messages are to be delivered to one handler, and how its subscription is: what container and adapter agree on."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from connector.errors import ConnectorError, SecurityError

#: A cause of a cause of a cause: further down nobody looks for an outage.
_DEPTH = 16


class Ordering(Enum):
    """Which messages of a source keep their order. It is kept within a priority, by failures and pauses as well."""

    QUEUE = "queue"  # all of them: one at a time, and the next one only when it is settled
    GROUP = "group"  # those of one `Message.group`; groups, and messages without one, don't wait for each other
    NONE = "none"  # none: as many at once as `concurrency` says


@dataclass(frozen=True, slots=True)
class RedeliveryPolicy:
    """What becomes of a message whose delivery has failed.

    Attributes:
        limit: How often it is delivered again before it goes to the exception destination.
        delay: Seconds before it is delivered again for the first time.
        backoff: By how much each further delay is longer than the one before; 1 for equal ones.
        max_delay: Seconds that no delay exceeds.
    """

    limit: int = 5
    delay: float = 0.0
    backoff: float = 1.0
    max_delay: float = float("inf")

    def pause(self, failures: int) -> float:
        """Seconds before the next delivery of a message that has failed so often, at least once. Pure."""
        try:
            grown = self.delay * self.backoff ** max(0, failures - 1)
        except OverflowError:
            grown = float("inf")
        return min(grown, self.max_delay) if self.delay else 0.0


@dataclass(frozen=True, slots=True)
class ActivationHealth:
    """What an adapter can say of one subscription at this instant.

    Attributes:
        subscribed: Whether it stands: a message that comes now would be delivered.
        polled: How many seconds ago the source was last seen to answer: asked for messages, or by a sign of life.
            0 where the adapter has just looked; None where it has not been seen yet.
        waiting: What keeps deliveries waiting although it stands, as a stable code, for example that of a directory
            that doesn't answer; empty for nothing.
    """

    subscribed: bool
    polled: float | None = 0.0
    waiting: str = ""


def identity_outage(error: BaseException) -> ConnectorError | None:
    """The error in a chain of causes that says that a user registry or directory does not answer; None for no such.

    An adapter asks it of what a delivery failed by. Where there is one, nobody was refused and the message is not to
    blame: the attempt doesn't count, and the adapter pauses the subscription for a while. Pure.
    """
    cause: BaseException | None = error
    for _ in range(_DEPTH):
        if isinstance(cause, SecurityError) and getattr(cause, "retryable", False):
            return cause
        if cause is None:
            return None
        cause = cause.__cause__
    return None
