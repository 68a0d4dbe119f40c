"""What a broker refuses, as errors of ours: one stable code a kind, with the broker's reason in it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connector.errors import AccessDenied, ConnectionFailed, ConnectorError, MessagingError, NameNotFound, Reason

DENIED = Reason(
    "CF-AMQP-020",
    "{broker} does not allow {what}: {condition}: {description}",
    "Give the user signed on the role or permission there, or sign on as another one.",
)
NOT_THERE = Reason(
    "CF-AMQP-021",
    "{broker} has not what is needed for {what}: {condition}: {description}",
    "Correct the name, or have the destination made there.",
)
REFUSED = Reason(
    "CF-AMQP-022",
    "{broker} refuses {what}: {condition}: {description}",
    "Look at the broker's reason; some brokers lack what others have.",
)
CONNECTION_LOST = Reason(
    "CF-AMQP-023",
    "the connection to {broker} was lost: {why}",
    "Try again on another connection; see the broker's log if it happens again.",
)
DISALLOWED_AT_OPEN = Reason(
    "CF-AMQP-024",
    "{broker} lets {user} not in: {condition}: {description}",
    "Do as the broker says: a bus names the role or the chain that is missing; or sign on as another user.",
)

UNAUTHORIZED: Final = "amqp:unauthorized-access"
NOT_FOUND: Final = "amqp:not-found"


@dataclass(frozen=True, slots=True)
class Condition:
    """Why a broker has ended something.

    Attributes:
        name: AMQP's name for it.
        description: The broker's own words; may be empty.
    """

    name: str
    description: str = ""


def condition_of(found: object) -> Condition | None:
    """The library's condition as ours."""
    name = getattr(found, "name", None)
    return None if not name else Condition(str(name), str(getattr(found, "description", None) or ""))


def refusal(broker: object, what: str, condition: Condition | None) -> ConnectorError:
    """The error for a broker's refusal of one operation.

    Args:
        broker: Which one, as text.
        what: What was refused.
        condition: Its reason; None where it gave none.
    """
    found = condition or Condition("no condition", "the broker gave no reason")
    details = {
        "broker": str(broker),
        "what": what,
        "condition": found.name,
        "description": found.description or "no description",
    }
    if found.name == UNAUTHORIZED:
        return AccessDenied(DENIED, **details)
    if found.name == NOT_FOUND:
        return NameNotFound(NOT_THERE, problems=(), **details)
    return MessagingError(REFUSED, **details)


def refused_open(broker: object, user: str | None, condition: Condition) -> ConnectorError:
    """The error for a connection that the broker ends instead of opening it."""
    if condition.name in (UNAUTHORIZED, NOT_FOUND):
        return AccessDenied(
            DISALLOWED_AT_OPEN,
            broker=str(broker),
            user=user or "an anonymous client",
            condition=condition.name,
            description=condition.description,
        )
    return lost(broker, f"{condition.name}: {condition.description}")


def lost(broker: object, why: str) -> ConnectionFailed:
    """The error for a connection that is no more."""
    return ConnectionFailed(CONNECTION_LOST, broker=str(broker), why=why)
