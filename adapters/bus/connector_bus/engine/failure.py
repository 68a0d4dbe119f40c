"""What becomes of a message that can't be delivered: its record in the exception destination, and the fault (BUS-11).

Pure: nothing here reads a clock or writes anything.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from connector.errors import ConnectorError, Reason, WorkCompletedWithError
from connector.spi import UNAUTHENTICATED, Message, PropertyValue, ServerPrincipal
from connector_bus.reliability import Reliability
from connector_bus.store.record import StoredMessage

#: The property by which a reply says that it is a fault; it counts only in a message of the engine's own identity.
FAULT_PROPERTY = "connector_fault"

#: Shown for an error that has no code of its own.
DELIVERY_FAILED = Reason("CF-BUS-045", "the delivery failed with {cause}", "Look into the log of the application.")


@dataclass(frozen=True, slots=True)
class FailureNote:
    """Why a delivery failed.

    Attributes:
        code: The stable code.
        text: The reason in words, fit for the requester.
        cause: The type of a foreign error behind it, or empty; never its text, which may hold a secret (AUTHD-4).
    """

    code: str
    text: str
    cause: str = ""

    @classmethod
    def of(cls, error: BaseException) -> FailureNote:
        """Note down an error: the innermost of ours that a work's completion wraps, or a foreign one by its type."""
        while isinstance(error, WorkCompletedWithError) and isinstance(error.__cause__, Exception):
            error = error.__cause__
        if isinstance(error, ConnectorError):
            foreign = error.__cause__
            return cls(error.code, error.text, "" if foreign is None else type(foreign).__name__)
        name = type(error).__name__
        return cls(DELIVERY_FAILED.code, DELIVERY_FAILED.text.format(cause=name), name)


def exception_record(
    stored: StoredMessage,
    note: FailureNote,
    *,
    sequence: int,
    to: str,
    attempts: int,
    now: float,
    **more: PropertyValue,
) -> StoredMessage:
    """The message as it goes to the exception destination: as it was, with why, where, when and how often.

    `more` are further properties that say how it came about.
    """
    properties: dict[str, PropertyValue] = {
        **stored.header.properties,
        "exception_reason": note.code,
        "exception_text": note.text,
        "exception_cause": note.cause or None,
        "exception_destination": stored.destination,
        "exception_time": now,
        "exception_attempts": attempts,
        **({} if stored.place is None else {"exception_topic_space": stored.header.destination}),
        "exception_identity": str(stored.header.identity or UNAUTHENTICATED),
        **more,
    }
    # It must not expire there: it would be lost silently.
    header = stored.header.replace(
        properties=MappingProxyType(properties),
        destination=to,
        expires_at=None,
        deliver_at=None,
        persistent=True,
        delivery_count=0,
    )
    # Nor is it lost there with the engine, however little was to be done for it.
    return replace(
        stored,
        sequence=sequence,
        header=header,
        mediated=True,
        reliability=Reliability.ASSURED,
        passage=None,
        place=None,
    )


def fault_message(stored: StoredMessage, note: FailureNote) -> Message:
    """The reply that tells the requester at once, instead of letting it wait for its timeout."""
    body: dict[str, Any] = {"code": note.code, "text": note.text}
    properties = MappingProxyType({FAULT_PROPERTY: note.code})
    return Message(body, properties, correlation_id=stored.header.reply_correlation_id)


def is_fault(message: Message) -> bool:
    """Whether a message is a fault: the property *and* the engine's identity, so that no client can forge one."""
    return FAULT_PROPERTY in message.properties and isinstance(message.identity, ServerPrincipal)
