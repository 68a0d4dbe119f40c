"""What a selector can name: application properties, and the message headers under the names that JMS gives them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from connector.spi import Message
from connector_bus.selector.values import Value

Getter = Callable[[Message], Value]

#: Headers by JMS name. The identity is not among them: who may receive a message is decided by roles alone.
HEADERS: Final[Mapping[str, Getter]] = MappingProxyType(
    {
        "JMSMessageID": lambda message: message.message_id,
        "JMSCorrelationID": lambda message: message.correlation_id,
        "JMSTimestamp": lambda message: _milliseconds(message.timestamp),
        "JMSType": lambda message: message.topic,  # both are the message's subject on the wire
        "JMSPriority": lambda message: message.priority,
        "JMSDeliveryMode": lambda message: "PERSISTENT" if message.persistent else "NON_PERSISTENT",
        "JMSXGroupID": lambda message: message.group,
        "JMSXDeliveryCount": lambda message: message.delivery_count + 1,
    }
)


def getter(name: str) -> Getter:
    """How the value of an identifier is got from a message; None of a message that doesn't have it. Pure."""
    header = HEADERS.get(name)
    return header if header is not None else lambda message: message.properties.get(name)


def _milliseconds(seconds: float | None) -> int | None:
    return None if seconds is None else round(seconds * 1000)
