"""The inbound contract: activation specification, message endpoint and its factory (FLOW-5, FLOW-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from connector.spi.message import Message
from connector.spi.subject import Subject


@dataclass(frozen=True, slots=True, eq=False)
class ActivationSpec:
    """What an adapter is told about one activation; compared by identity: equal settings are still two activations.

    Attributes:
        resource: The global name of the activation specification.
        properties: The adapter's own properties, validated against its `ra.toml`, defaults filled in.
    """

    resource: str
    properties: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


class MessageEndpoint(Protocol):
    """Delivers messages to one handler; used by one work at a time, on the work's thread."""

    def deliver(self, message: Message) -> Any:
        """Check the role of the subject in force and call the handler; answers the reply body, a Message, or None.

        Blocks for as long as the handler runs. Raises AccessDenied where the caller is in no allowed role (the
        handler was not called), DeliveryError with the cause where the handler raised. Returning is success: what
        settles a message is the adapter's business.
        """
        ...

    def release(self) -> None:
        """Give the endpoint back. Harmless when called twice."""
        ...


class MessageEndpointFactory(Protocol):
    """Makes endpoints for one activation of one handler; unique, compared by identity."""

    @property
    def application(self) -> str:
        """The application's name."""
        ...

    @property
    def realm(self) -> str:
        """The application's realm: for `SecurityContext.realm` of the works that deliver to it."""
        ...

    @property
    def activation(self) -> str:
        """The activation's name in the application."""
        ...

    @property
    def transacted(self) -> bool:
        """Whether receive, reply and sends are to be one unit."""
        ...

    @property
    def concurrency(self) -> int:
        """How many messages may be in delivery at once, at least 1."""
        ...

    @property
    def max_redeliveries(self) -> int:
        """How often a failed message is delivered again before it goes to the exception destination."""
        ...

    @property
    def redelivery_delay(self) -> float:
        """Seconds before a failed message is delivered again."""
        ...

    def create_endpoint(self) -> MessageEndpoint:
        """A fresh endpoint. Does not block. Raises DeliveryError once the activation is over."""
        ...

    def sign_on(self) -> Subject | None:
        """The subject that the adapter consumes with: the newest credential of the activation's alias, for the
        adapter's own use; None where the activation names no alias. May block. Raises AuthDataError.
        """
        ...
