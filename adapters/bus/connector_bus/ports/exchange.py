"""A message as a request of HTTP, and an answer as a message. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from connector.errors import MessagingError, Reason
from connector.spi import UNAUTHENTICATED, Message
from connector_bus.settings import PortSettings
from connector_bus.store.content import Content, ContentKind

HEADER_UNFIT = Reason(
    "CF-BUS-240",
    "the property {name} can't be the header {header} of a request to {url}",
    "Headers take text of one line, in characters of Latin-1.",
)
SERVICE_FAILED = Reason(
    "CF-BUS-241",
    "the service at {url} answered {status}",
    "It is asked again up to max_redeliveries of the port; look into the log of the service.",
)
SERVICE_REFUSED = Reason(
    "CF-BUS-242",
    "the service at {url} refused the request with {status}",
    "Asking again can't help: correct the message, the port's settings, or the rights of its alias there.",
)
ANSWER_UNFIT = Reason(
    "CF-BUS-243",
    "the answer of the service at {url} is no reply: {fault}",
    "Look at what the service answers; it was asked, and has answered.",
)

#: What an answer's status is told by, in the reply.
STATUS_PROPERTY: Final = "http_status"
_TYPES: Final[Mapping[ContentKind, str]] = MappingProxyType(
    {
        ContentKind.TEXT: "text/plain; charset=utf-8",
        ContentKind.JSON: "application/json",
        ContentKind.BYTES: "application/octet-stream",
    }
)
_HEADERS: Final = frozenset({"message_id", "correlation_id"})
_UNFIT: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]|[^\x00-\xff]")
#: Statuses that say: later, perhaps.
_TEMPORARY: Final = frozenset({408, 425, 429})


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """A request, without what is added for the connection.

    Attributes:
        headers: By name.
        body: The bytes; None for none.
    """

    headers: Mapping[str, str]
    body: bytes | None


def request_of(message: Message, settings: PortSettings) -> HttpRequest:
    """The request for a message. Raises MessagingError CF-BUS-240 for what can't be a header."""
    content = Content.encode(message.body)
    headers = {"Content-Type": _TYPES[content.kind]} if content.kind in _TYPES else {}
    for header, source in settings.headers.items():
        own = source in _HEADERS and source not in message.properties
        value = getattr(message, source) if own else message.properties.get(source)
        if value is None:
            continue
        written = str(value).lower() if isinstance(value, bool) else str(value)
        if _UNFIT.search(written):
            raise MessagingError(HEADER_UNFIT, name=source, header=header, url=settings.url)
        headers[header] = written
    identity = message.identity or UNAUTHENTICATED
    if settings.identity_header is not None and identity != UNAUTHENTICATED:
        # Quoted, so that no name can be taken for another one, or for more than a name.
        headers[settings.identity_header] = quote(identity.name, safe="")
    return HttpRequest(headers, None if content.kind is ContentKind.NONE else content.data)


def require_success(status: int, url: str) -> None:
    """Pass for an answer that is one. Raises MessagingError CF-BUS-241 (later, perhaps) or CF-BUS-242 (never)."""
    if 200 <= status < 300:
        return
    later = status >= 500 or status in _TEMPORARY
    raise MessagingError(SERVICE_FAILED if later else SERVICE_REFUSED, url=url, status=status)


def reply_of(status: int, content_type: str, data: bytes, url: str) -> Message:
    """The reply for an answer: JSON as its value, text as text, anything else as bytes, nothing as None.

    Raises MessagingError CF-BUS-243 for an answer that isn't what it says.
    """
    kind, _, parameters = content_type.partition(";")
    kind = kind.strip().lower()
    properties = MappingProxyType({STATUS_PROPERTY: status})
    if not data:
        return Message(None, properties)
    fault = ""
    try:
        if kind == "application/json" or kind.endswith("+json"):
            return Message(json.loads(data), properties)
        if kind.startswith("text/"):
            return Message(data.decode(_charset(parameters)), properties)
    except (ValueError, LookupError, RecursionError) as error:
        fault = f"{type(error).__name__} as {kind}"  # never the text of the error, which would quote the answer
    if fault:
        raise MessagingError(ANSWER_UNFIT, url=url, fault=fault)
    return Message(data, properties)


def _charset(parameters: str) -> str:
    found = re.search(r"charset\s*=\s*\"?([\w.:-]+)", parameters, re.IGNORECASE)
    return found[1] if found else "utf-8"
