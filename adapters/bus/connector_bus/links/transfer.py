"""What goes over a link: who signs on, messages, and what became of each (BUS-9)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from connector.spi import Message, Secret
from connector_bus.reliability import Reliability
from connector_bus.store.content import Content


@dataclass(frozen=True, slots=True)
class Login:
    """What an engine says of itself when it opens a link.

    Attributes:
        bus: The bus that it sends for.
        engine: Its own name, one of perhaps several engines of that bus.
        to: The bus that it wants to send to.
        user: The user of its authentication alias; None without one.
        password: The password, with it.
        is_within: Whether both buses are of one container. Said by the transport of that alone: no wire has it.
    """

    bus: str
    engine: str
    to: str
    user: str | None = None
    password: Secret | None = None
    is_within: bool = False


@dataclass(frozen=True, slots=True)
class Transfer:
    """One message on a link.

    Attributes:
        id: Unique; the same each time that it is sent again.
        bus: The bus of its destination, perhaps a further one.
        destination: Where it is for, on that bus.
        header: The message without body, with the identity that it is sent under.
        content: The body.
        hops: How many destinations it has passed.
        reliability: How much is done for it.
    """

    id: str
    bus: str
    destination: str
    header: Message
    content: Content
    hops: int = 0
    reliability: Reliability = Reliability.ASSURED


class Outcome(StrEnum):
    """What became of a transfer on the other side."""

    ACCEPTED = "accepted"
    #: Not where it was for, but in an exception destination there, or dropped as best-effort messages are.
    REFUSED = "refused"
    #: A broker wants it not at all: it is for the exception destination of this side.
    RETURNED = "returned"
    #: It can be put nowhere there: it stays on this side, and so do those behind it.
    BLOCKED = "blocked"


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to one transfer.

    Attributes:
        outcome: What became of it.
        code: Why it was not accepted, as a stable code; empty where it was.
        text: Why, in words.
    """

    outcome: Outcome
    code: str = ""
    text: str = ""

    @property
    def is_final(self) -> bool:
        """Whether the other side has the message, or has done with it."""
        return self.outcome in (Outcome.ACCEPTED, Outcome.REFUSED)


ACCEPTED = Answer(Outcome.ACCEPTED)
