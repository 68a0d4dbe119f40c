"""A message at rest and its row in the table."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, TypeAlias

from connector.spi import (
    UNAUTHENTICATED,
    Message,
    Principal,
    ServerPrincipal,
    UnauthenticatedPrincipal,
    UserPrincipal,
)
from connector_bus.reliability import Reliability
from connector_bus.store.content import Content, ContentKind

#: The values of a row, in the order of the table's columns.
Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """Where a message on a transmission queue is bound for.

    Attributes:
        transfer: Unique for each message and link: by it the other side knows what it has taken over already.
        bus: The bus of its destination, which may be further than the link's other end.
        destination: Its name there.
    """

    transfer: str
    bus: str
    destination: str


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message as the engine keeps it.

    Attributes:
        sequence: The engine's number for it: order within a priority, and the key of its row.
        header: The message without its body; `delivery_count` is the number of failed deliveries.
        content: The body, encoded.
        mediated: Whether the mediations of its destination have seen it.
        hops: How many destinations it has passed; bounds routing in circles.
        reliability: How much is done for it.
        passage: Where it is bound for, on a transmission queue; None on all others.
        origin: The bus that it came from over a link; None for what was sent on this one.
        publishers: The names that its sender goes by, for subscriptions that are without what is local; not kept.
        place: The queue of the subscription that it rests on; None where it rests on its destination.
    """

    sequence: int
    header: Message
    content: Content
    mediated: bool = True
    hops: int = 0
    reliability: Reliability = Reliability.ASSURED
    passage: Passage | None = None
    place: str | None = None
    origin: str | None = None
    publishers: tuple[str, ...] = ()

    def message(self) -> Message:
        """The whole message with a freshly decoded body."""
        return self.header.replace(body=self.content.decode())

    @property
    def destination(self) -> str:
        """Where it rests: the queue of a subscription, or its destination."""
        if self.place is not None:
            return self.place
        destination = self.header.destination
        assert destination is not None, "a stored message always has a destination"
        return destination


def to_row(stored: StoredMessage) -> dict[str, Any]:
    """The values of the message's row."""
    header = stored.header
    identity = header.identity or UNAUTHENTICATED
    return {
        "sequence": stored.sequence,
        "destination": stored.destination,
        "message_id": header.message_id,
        "identity_kind": kind_of(identity),
        "identity_name": identity.name,
        "identity_realm": identity.realm,
        "reply_to": header.reply_to,
        "correlation_id": header.correlation_id,
        "accepted_at": header.timestamp,
        "expires_at": header.expires_at,
        "priority": header.priority,
        "attempts": header.delivery_count,
        "group_id": header.group,
        "mediated": stored.mediated,
        "hops": stored.hops,
        "deliver_at": header.deliver_at,
        "reliability": stored.reliability.value,
        "topic": header.topic,
        "space": None if stored.place is None else header.destination,
        "transfer": None if stored.passage is None else stored.passage.transfer,
        "routing": _routing_of(stored),
        "properties": json.dumps(dict(header.properties), ensure_ascii=False) if header.properties else "{}",
        "content_kind": stored.content.kind.value,
        "content": stored.content.data,
    }


def wire_row(
    sequence: int,
    destination: str,
    message_id: str,
    sender: Principal,
    *,
    reply_to: str | None,
    correlation_id: str | None,
    timestamp: float,
    expires_at: float | None,
    priority: int,
    group: str | None,
    reliability: Reliability,
    topic: str | None,
    bare: bytes,
) -> Row:
    """The same as a tuple in the order of the columns, for what came over the wire with nothing else in it."""
    return (
        sequence,
        destination,
        message_id,
        kind_of(sender),
        sender.name,
        sender.realm,
        reply_to,
        correlation_id,
        timestamp,
        expires_at,
        priority,
        0,  # attempts
        group,
        True,  # mediated
        0,  # hops
        None,  # deliver_at
        reliability.value,
        None,  # transfer
        None,  # routing
        topic,
        None,  # space
        "{}",
        ContentKind.AMQP.value,
        bare,
    )


def from_row(row: Mapping[str, Any]) -> StoredMessage:
    """The message of a row."""
    content = Content(ContentKind(row["content_kind"]), row["content"])
    reliability = Reliability(row["reliability"])
    place = None if row["space"] is None else row["destination"]
    routing = json.loads(row["routing"] or "{}")
    passage = None if row["transfer"] is None else Passage(row["transfer"], routing["bus"], routing["destination"])
    header, mediated = header_of(row), bool(row["mediated"])
    return StoredMessage(
        row["sequence"], header, content, mediated, row["hops"], reliability, passage, place, routing.get("origin")
    )


def header_of(row: Mapping[str, Any]) -> Message:
    """The message of a row without its body, which the row needs not have."""
    routing = json.loads(row["routing"] or "{}")
    return Message(
        properties=MappingProxyType(json.loads(row["properties"])),
        destination=row["destination"] if row["space"] is None else row["space"],
        reply_to=row["reply_to"],
        correlation_id=row["correlation_id"],
        message_id=row["message_id"],
        identity=principal_of(row["identity_kind"], row["identity_name"], row["identity_realm"]),
        timestamp=row["accepted_at"],
        expires_at=row["expires_at"],
        priority=row["priority"],
        delivery_count=row["attempts"],
        group=row["group_id"],
        deliver_at=row["deliver_at"],
        persistent=Reliability(row["reliability"]).is_persistent,
        forward_path=tuple(routing.get("forward", ())),
        reverse_path=tuple(routing.get("reverse", ())),
        topic=row["topic"],
    )


def _routing_of(stored: StoredMessage) -> str | None:
    """The paths and what it is bound for, as one text; None for the many messages that have neither."""
    routing: dict[str, Any] = {}
    if stored.header.forward_path:
        routing["forward"] = stored.header.forward_path
    if stored.header.reverse_path:
        routing["reverse"] = stored.header.reverse_path
    if stored.origin is not None:
        routing["origin"] = stored.origin
    if stored.passage is not None:
        routing |= {"bus": stored.passage.bus, "destination": stored.passage.destination}
    return json.dumps(routing, ensure_ascii=False) if routing else None


def kind_of(identity: Principal) -> str:
    """What kind of principal it is, as stores and links write it."""
    if isinstance(identity, ServerPrincipal):
        return "server"
    return "unauthenticated" if isinstance(identity, UnauthenticatedPrincipal) else "user"


def principal_of(kind: str, name: str, realm: str) -> Principal:
    """The principal that is written so."""
    if kind == "server":
        return ServerPrincipal(name, realm)
    return UserPrincipal(name, realm) if kind == "user" else UNAUTHENTICATED
