"""Messages at rest in memory, and which one comes next: decisions, without lock and without I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Protocol, final

from connector.errors import ConnectorError, WorkCompletedWithError
from connector.spi import Message, Ordering


class Rest(Enum):
    """Where a letter is."""

    READY = "ready"
    OUT = "out"  # in delivery
    WAITING = "waiting"  # for its redelivery


@final
class Letter:
    """One message at rest.

    Attributes:
        message: The message as it was sent, with its sender.
        failures: How many deliveries have failed.
        rest: Where it is.
    """

    __slots__ = ("failures", "message", "rest")

    def __init__(self, message: Message) -> None:
        self.message = message
        self.failures = 0
        self.rest = Rest.READY


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was given up.

    Attributes:
        message: The message as it was sent.
        reason: Why, as a stable code; of a foreign error its type.
        attempts: How often it was delivered.
    """

    message: Message
    reason: str
    attempts: int


class Subscriber(Protocol):
    """What the choice has to know of a subscription."""

    @property
    def ordering(self) -> Ordering:
        """Which messages keep their order."""
        ...

    @property
    def free(self) -> int:
        """How many more deliveries it may begin now."""
        ...


def next_letter(letters: list[Letter], subscriber: Subscriber) -> Letter | None:
    """The letter that a subscription gets now; None for none. Pure.

    Args:
        letters: What rests, in the order of its coming.
        subscriber: The subscription.
    """
    if subscriber.free < 1:
        return None
    held: set[str] = set()
    for letter in letters:
        group = letter.message.group
        if letter.rest is not Rest.READY:
            if subscriber.ordering is Ordering.QUEUE:
                return None  # nothing overtakes what is in delivery or waits to be delivered again
            if group is not None:
                held.add(group)
        elif subscriber.ordering is not Ordering.GROUP or group not in held:
            return letter
    return None


def reason_of(error: BaseException) -> str:
    """Why a delivery failed, as a code: of what a work's completion wraps the innermost of ours."""
    while isinstance(error, WorkCompletedWithError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error.code if isinstance(error, ConnectorError) else type(error).__name__
