"""What the engine refuses, as the conditions of AMQP that clients turn into their own errors (bus.md 3.2). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from connector.errors import ConnectorError, MessagingError, NameNotFound, SecurityError

UNAUTHORIZED: Final = "amqp:unauthorized-access"
NOT_FOUND: Final = "amqp:not-found"
NOT_ALLOWED: Final = "amqp:not-allowed"
NOT_IMPLEMENTED: Final = "amqp:not-implemented"
PRECONDITION_FAILED: Final = "amqp:precondition-failed"
INVALID_FIELD: Final = "amqp:invalid-field"
DECODE_ERROR: Final = "amqp:decode-error"
INTERNAL_ERROR: Final = "amqp:internal-error"
RESOURCE_LIMIT: Final = "amqp:resource-limit-exceeded"
REDIRECT: Final = "amqp:connection:redirect"
FORCED: Final = "amqp:connection:forced"


@dataclass(frozen=True, slots=True)
class Refusal:
    """One refusal, as it goes to a client.

    Attributes:
        condition: AMQP's name for it.
        description: Our code and text, and what to do.
        field: The field of the client's open that is at fault, where it is one (`amqp:invalid-field`).
    """

    condition: str
    description: str
    field: str | None = None


def refusal_of(error: BaseException) -> Refusal:
    """The refusal for an error; of foreign ones only the type is told, their text may hold a secret."""
    if not isinstance(error, ConnectorError):
        return Refusal(INTERNAL_ERROR, type(error).__name__)
    if isinstance(error, NameNotFound):
        return Refusal(NOT_FOUND, str(error))
    if isinstance(error, SecurityError) or type(error).__name__ == "LoginRefused":
        return Refusal(UNAUTHORIZED, str(error))
    if error.code in ("CF-BUS-173", "CF-BUS-174", "CF-BUS-305"):  # full, too large, too many
        return Refusal(RESOURCE_LIMIT, str(error))
    if error.code == "CF-BUS-500":
        return Refusal(INVALID_FIELD, str(error), "container-id")  # by the field, JMS clients know what is meant
    if error.code == "CF-BUS-170":
        return Refusal(INVALID_FIELD, str(error))
    if isinstance(error, MessagingError) and error.code in ("CF-BUS-052", "CF-BUS-053", "CF-BUS-056"):
        return Refusal(INTERNAL_ERROR, str(error))
    return Refusal(PRECONDITION_FAILED, str(error))
