"""The backends by which the inbound sides of our own adapters are certified."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from support_secrets import MARKER

from connector.spi import (
    Message,
    PasswordCredential,
    ResourceAdapter,
    Secret,
    Subject,
    UserPrincipal,
)
from connector.testing import Buried, InboundBackend, Login
from connector.testing.backend import REALM
from connector.testing.memory import MemoryResourceAdapter
from connector_bus import BusResourceAdapter
from connector_bus.engine.terms import Terms
from connector_bus.settings import SUBSCRIPTION_PREFIX

ALICE, BOB, SERVER = (Login(name, Secret(f"{MARKER}-{name}")) for name in ("alice", "bob", "server"))


class MemoryBackend(InboundBackend):
    """The provider in memory, by which handlers are driven in tests."""

    adapter = MemoryResourceAdapter
    senders = (ALICE, BOB)
    consumer = SERVER
    properties: Mapping[str, Any] = {"queue": "letters"}

    def send(self, adapter: ResourceAdapter, message: Message, sender: Login) -> None:
        _memory(adapter).send("letters", message, UserPrincipal(sender.user, REALM))

    def at_rest(self, adapter: ResourceAdapter) -> list[Any]:
        return [message.body for message in _memory(adapter).at_rest("letters")]

    def buried(self, adapter: ResourceAdapter) -> list[Buried]:
        return [
            Buried(dead.message.body, dead.reason, dead.attempts, str(dead.message.identity))
            for dead in _memory(adapter).dead_letters()
        ]

    def reply_to(self, adapter: ResourceAdapter) -> str:
        return "replies"

    def replies(self, adapter: ResourceAdapter) -> list[Message]:
        return list(_memory(adapter).at_rest("replies"))


class BusInboundBackend(InboundBackend):
    """A queue of a secured bus in this process."""

    adapter = BusResourceAdapter
    senders = (ALICE, BOB)
    consumer = SERVER
    properties: Mapping[str, Any] = {"bus": "kit", "destination": "letters"}

    @property
    def sections(self) -> Mapping[str, Any]:
        bus = {
            "security": True,
            "roles": {"connector": ["AllAuthenticated"]},
            "destinations": {"letters": {}, "replies": {}},
        }
        return {"buses": {"kit": bus}}

    def send(self, adapter: ResourceAdapter, message: Message, sender: Login) -> None:
        factory = adapter.create_managed_connection_factory("kit/bus", {"bus": "kit"})
        credential = PasswordCredential(sender.user, sender.password, factory)
        physical: Any = factory.create_managed_connection(Subject((), [credential], read_only=True), None)
        try:
            bus = _bus(adapter)
            bus.engine.send(physical.subject, "letters", message)
        finally:
            physical.destroy()

    def at_rest(self, adapter: ResourceAdapter) -> list[Any]:
        store = _bus(adapter).engine.store
        found = [store.read(line.sequence) for line in store.index() if line.destination == "letters"]
        return [stored.message().body for stored in found if stored is not None]

    def buried(self, adapter: ResourceAdapter) -> list[Buried]:
        return [
            Buried(
                message.body,
                str(message.properties["exception_reason"]),
                int(str(message.properties["exception_attempts"])),
                str(message.properties["exception_identity"]),
            )
            for message in self._on(adapter, "_SYSTEM.Exception.Destination.kit")
        ]

    def reply_to(self, adapter: ResourceAdapter) -> str:
        return "replies"

    def replies(self, adapter: ResourceAdapter) -> list[Message]:
        return self._on(adapter, "replies")

    def _on(self, adapter: ResourceAdapter, destination: str) -> list[Message]:
        engine = _bus(adapter).engine
        return list(engine.peek(engine.destinations.get(destination)))


class BusTopicBackend(BusInboundBackend):
    """A durable, shared subscription: what it has gathered is delivered, redelivered and buried as of a queue."""

    properties: Mapping[str, Any] = {
        "bus": "kit",
        "destination": "letters",
        "subscription": "kit",
        "durable": True,
        "shared": True,
    }

    @property
    def sections(self) -> Mapping[str, Any]:
        bus = super().sections["buses"]["kit"]
        return {"buses": {"kit": {**bus, "destinations": {"letters": {"type": "topic-space"}, "replies": {}}}}}

    def send(self, adapter: ResourceAdapter, message: Message, sender: Login) -> None:
        topics = _bus(adapter).engine.topics
        if not topics.all():  # nobody would have heard it
            topics.open(
                Subject.of_user(SERVER.user, REALM), "letters", Terms(name="kit", durable=True, shared=True)
            ).close()
        super().send(adapter, message.replace(topic=message.topic or "post/today"), sender)

    def at_rest(self, adapter: ResourceAdapter) -> list[Any]:
        store = _bus(adapter).engine.store
        found = [
            store.read(line.sequence) for line in store.index() if line.destination.startswith(SUBSCRIPTION_PREFIX)
        ]
        return [stored.message().body for stored in found if stored is not None]


def _memory(adapter: ResourceAdapter) -> MemoryResourceAdapter:
    assert isinstance(adapter, MemoryResourceAdapter)
    return adapter


def _bus(adapter: ResourceAdapter) -> Any:
    return cast("BusResourceAdapter", adapter)._buses["kit"]
