"""What the author of an inbound adapter supplies: a source of messages, seen from the outside (OPS-4)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from connector.spi import Capability, Message, ResourceAdapter
from connector.testing.backend import Login
from connector.testing.opened import Opened
from connector.testing.requirement import InboundFacet


@dataclass(frozen=True, slots=True)
class Buried:
    """A message that was given up, as it is kept.

    Attributes:
        body: Its body.
        reason: Why, as a stable code.
        attempts: How often it was delivered.
        sender: Who sent it.
    """

    body: Any
    reason: str
    attempts: int
    sender: str | None


class InboundBackend(Opened, ABC):
    """The source of messages that the kit tests an adapter against; made without arguments when it is given by name.

    Each test starts an adapter of its own on an empty source. What *this* source can't show is named in `lacks`, with
    the reason. Everything may block for the source. Called from one thread.
    """

    #: The adapter's class. What it claims is read from the `ra.toml` beside it.
    adapter: ClassVar[type[ResourceAdapter]]
    #: What this source can't show, with the reason: the requirements that need it do not apply.
    lacks: Mapping[Capability | InboundFacet, str] = MappingProxyType({})
    #: Seconds after which what was to happen is taken not to happen any more; also how long an activation's end may
    #: take while a handler hangs.
    patience: float = 10.0

    @property
    @abstractmethod
    def properties(self) -> Mapping[str, Any]:
        """The activation's properties, as in `connector.toml`; declared defaults are filled in."""

    @property
    def sections(self) -> Mapping[str, Any]:
        """The configuration sections that the adapter owns; none by default."""
        return {}

    @property
    @abstractmethod
    def senders(self) -> tuple[Login, ...]:
        """Two users or more of the container's realm who may send."""

    @property
    def consumer(self) -> Login | None:
        """Who activations sign on as; None where that needs nobody."""
        return None

    @abstractmethod
    def send(self, adapter: ResourceAdapter, message: Message, sender: Login) -> None:
        """Send a message to where activations consume from, as a client of the source does; it is there on return."""

    @abstractmethod
    def at_rest(self, adapter: ResourceAdapter) -> list[Any]:
        """The bodies of the messages that could be delivered now or later, in delivery or not; in any order."""

    def buried(self, adapter: ResourceAdapter) -> list[Buried]:
        """What was given up, in order (InboundFacet.BURIAL)."""
        raise NotImplementedError("say what was given up, or name InboundFacet.BURIAL in `lacks`")

    def reply_to(self, adapter: ResourceAdapter) -> str:
        """A name that replies may be sent to by anybody (InboundFacet.REPLIES)."""
        raise NotImplementedError("name a place for replies, or name InboundFacet.REPLIES in `lacks`")

    def replies(self, adapter: ResourceAdapter) -> list[Message]:
        """What has come there, in order (InboundFacet.REPLIES)."""
        raise NotImplementedError("say what replies have come, or name InboundFacet.REPLIES in `lacks`")
