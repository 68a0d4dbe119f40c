"""What a broker refuses, as errors of ours: one stable code a kind, with the broker's reason in it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

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
    "{broker} does not let {user} in: {condition}: {description}",
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
        info: What else it says, by name.
    """

    name: str
    description: str = ""
    info: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}), hash=False)


def condition_of(found: object) -> Condition | None:
    """The library's condition as ours."""
    name = getattr(found, "name", None)
    if not name:
        return None
    info = getattr(found, "info", None)
    told = {str(key): value for key, value in info.items()} if isinstance(info, dict) else {}
    return Condition(str(name), str(getattr(found, "description", None) or ""), told)


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
