"""What the protocol engine leaves to us: transactional states, and messages to the coordinator (AMQP 1.0, part 4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from connector.errors import MessagingError
from connector_bus.store.amqp_content import MALFORMED, load_proton

DECLARE, DISCHARGE, DECLARED, TRANSACTIONAL = 0x31, 0x32, 0x33, 0x34
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27
_CODES: Final = {
    "amqp:declare:list": DECLARE,
    "amqp:discharge:list": DISCHARGE,
    "amqp:accepted:list": ACCEPTED,
    "amqp:rejected:list": REJECTED,
    "amqp:released:list": RELEASED,
    "amqp:modified:list": MODIFIED,
}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a client says of a delivery.

    Attributes:
        code: One of the four outcomes; 0 where it has said none.
        failed: With modified: whether the delivery has failed.
        elsewhere: With modified: whether this link is not to get the message again.
    """

    code: int
    failed: bool = False
    elsewhere: bool = False


@dataclass(frozen=True, slots=True)
class Transactional:
    """A state that belongs to a transaction.

    Attributes:
        unit: The transaction's identifier.
        outcome: What is to become of the delivery when it commits.
    """

    unit: bytes
    outcome: Outcome


@dataclass(frozen=True, slots=True)
class Declare:
    """The client wants a transaction."""


@dataclass(frozen=True, slots=True)
class Discharge:
    """The client ends one.

    Attributes:
        unit: Which.
        fail: Whether nothing of it is to happen.
    """

    unit: bytes
    fail: bool


def transactional_of(data: Any) -> Transactional | None:
    """A transactional state out of the fields that came; None where they are none."""
    fields = list(data) if isinstance(data, list | tuple) else []
    if not fields or not isinstance(fields[0], bytes | bytearray | memoryview):
        return None
    outcome = fields[1] if len(fields) > 1 else None
    return Transactional(bytes(fields[0]), _outcome_of(outcome))


def _outcome_of(described: Any) -> Outcome:
    code = _code_of(getattr(described, "descriptor", None))
    fields = getattr(described, "value", None)
    flags = [*fields, None, None] if code == MODIFIED and isinstance(fields, list | tuple) else (None, None)
    return Outcome(code, bool(flags[0]), bool(flags[1]))


def accepted_within(unit: bytes) -> list[Any]:
    """The fields of a transactional state that accepts."""
    proton = load_proton()
    return [unit, proton.Described(proton.ulong(ACCEPTED), [])]


def request_of(data: bytes) -> Declare | Discharge:
    """What a client asks of the coordinator, out of a whole message. Raises MessagingError CF-BUS-151."""
    message = load_proton().Message()
    try:
        message.decode(data)
        body = message.body
        code, fields = _code_of(getattr(body, "descriptor", None)), [*(getattr(body, "value", None) or ()), None, None]
    except Exception as error:  # noqa: BLE001 - the library raises errors of many kinds for bytes that are none
        raise MessagingError(MALFORMED, why=type(error).__name__) from None
    if code == DECLARE:
        return Declare()
    if code == DISCHARGE and isinstance(fields[0], bytes | bytearray | memoryview):
        return Discharge(bytes(fields[0]), bool(fields[1]))
    raise MessagingError(MALFORMED, why="it asks the coordinator for nothing that there is")


def _code_of(descriptor: Any) -> int:
    if isinstance(descriptor, int):
        return int(descriptor)
    return _CODES.get(str(descriptor), 0)
