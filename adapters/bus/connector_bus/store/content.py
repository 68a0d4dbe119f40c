"""A message body at rest: bytes, and what kind of body they were."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from connector.errors import MessagingError, Reason
from connector.spi import Body

BODY_UNFIT = Reason(
    "CF-BUS-031",
    "a body of type {type} can't be sent: {why}",
    "Send None, text, bytes, or a value that JSON can hold.",
)


class ContentKind(StrEnum):
    """How the bytes are to be read."""

    NONE = "none"
    TEXT = "text"
    BYTES = "bytes"
    JSON = "json"
    AMQP = "amqp"  # the bare message of a client on the wire, which is never encoded again


@dataclass(frozen=True, slots=True)
class Content:
    """An encoded body. Encoding at once also cuts the message off from objects that the sender may still change.

    Attributes:
        kind: How to read the bytes.
        data: The bytes; not shown, since a body may hold anything.
    """

    kind: ContentKind
    data: bytes

    @classmethod
    def encode(cls, body: Body) -> Content:
        """Encode a body. Raises MessagingError (CF-BUS-031) for one that can't be kept."""
        if isinstance(body, Content):
            return body
        if body is None:
            return cls(ContentKind.NONE, b"")
        if isinstance(body, bytes | bytearray | memoryview):
            return cls(ContentKind.BYTES, bytes(body))
        try:
            if isinstance(body, str):
                return cls(ContentKind.TEXT, body.encode())
            return cls(ContentKind.JSON, json.dumps(body, ensure_ascii=False, allow_nan=False).encode())
        except (TypeError, ValueError, RecursionError) as error:
            # The text of these errors names types and positions only, but a lone surrogate's would quote the body.
            why = str(error) if isinstance(error, TypeError) else "it is no JSON value or no valid text"
            raise MessagingError(BODY_UNFIT, type=type(body).__name__, why=why) from None

    def decode(self) -> Body:
        """The body again; a fresh object on each call."""
        if self.kind is ContentKind.NONE:
            return None
        if self.kind is ContentKind.BYTES:
            return self.data
        if self.kind is ContentKind.AMQP:
            from connector_bus.store.amqp_content import body_of  # its library is for those who use the wire

            return body_of(self.data)
        text = self.data.decode()
        return text if self.kind is ContentKind.TEXT else json.loads(text)

    def __repr__(self) -> str:
        return f"<Content {self.kind}, {len(self.data)} bytes>"
