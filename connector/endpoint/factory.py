"""The endpoint factory of one activation of one handler (FLOW-5, FLOW-8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, final

from connector.endpoint.declaration import handler_name
from connector.endpoint.delivery import CoroutineRunner
from connector.endpoint.endpoint import HandlerEndpoint
from connector.endpoint.role_check import ApplicationRoles
from connector.endpoint.units import Units
from connector.errors import DeliveryError, Reason
from connector.spi import AuditLog, MessageEndpoint, Subject, TransactionParticipant

_log = logging.getLogger("connector.endpoint")

ACTIVATION_OVER = Reason(
    "CF-ENDP-014",
    "the activation {application}:{activation} is over.",
    "The adapter must stop delivering when it is told to; the message is kept for the next activation.",
)


@final
class HandlerEndpointFactory:
    """Makes endpoints for one handler (implements `spi.MessageEndpointFactory`); compared by identity.

    Args:
        application: The application's name.
        activation: The activation's name in it.
        handler: The function of message and context, `def` or `async def`.
        roles_allowed: Who may call it; None or empty for any caller. The descriptor's, where it says something.
        role_map: The application's role bindings; None where role checks are off.
        transacted: Whether receive, reply and sends are to be one unit.
        concurrency: How many messages may be in delivery at once, at least 1.
        max_redeliveries: How often a failed message is delivered again.
        redelivery_delay: Seconds before that.
        lookup: Finds a resource reference of the application.
        loop: Where coroutine handlers run.
        audit: Where deliveries and refusals are recorded (`deliver`).
        sign_on: The subject that the adapter consumes with; may block.
        units: The container's transactions; None where there are none: the adapter then does what it can alone.
        transaction_timeout: Seconds that the unit of a transacted delivery may last; None for the default.

    Safe to use from any thread. The read-only attributes are for the endpoints.
    """

    # Mutable state: `_closed`, which only ever turns True, and `_unknown_roles`, which only grows, by an entry for each
    # misspelt name in the handler; both steps are atomic.

    def __init__(
        self,
        application: str,
        activation: str,
        handler: Callable[..., Any],
        *,
        roles_allowed: Iterable[str] | None = None,
        role_map: ApplicationRoles | None = None,
        transacted: bool = False,
        concurrency: int = 1,
        max_redeliveries: int = 5,
        redelivery_delay: float = 0.0,
        lookup: Callable[[str], Any],
        loop: CoroutineRunner,
        audit: AuditLog,
        sign_on: Callable[[], Subject | None] = lambda: None,
        units: Units | None = None,
        transaction_timeout: float | None = None,
    ) -> None:
        self._application = application
        self._activation = activation
        self._transacted = transacted
        self._concurrency = concurrency
        self._max_redeliveries = max_redeliveries
        self._redelivery_delay = redelivery_delay
        self._sign_on = sign_on
        self._closed = False
        self._unknown_roles: set[str] = set()
        self.handler = handler
        self.names = {"handler": handler_name(handler), "application": application, "activation": activation}
        self.roles_allowed = tuple(sorted(roles_allowed or ()))
        self.roles = role_map
        self.lookup = lookup
        self.loop = loop
        self.audit = audit
        self.units = units
        self.transaction_timeout = transaction_timeout

    @property
    def application(self) -> str:
        """The application's name."""
        return self._application

    @property
    def activation(self) -> str:
        """The activation's name in the application."""
        return self._activation

    @property
    def transacted(self) -> bool:
        """Whether receive, reply and sends are to be one unit."""
        return self._transacted

    @property
    def concurrency(self) -> int:
        """How many messages may be in delivery at once."""
        return self._concurrency

    @property
    def max_redeliveries(self) -> int:
        """How often a failed message is delivered again before it goes to the exception destination."""
        return self._max_redeliveries

    @property
    def redelivery_delay(self) -> float:
        """Seconds before a failed message is delivered again."""
        return self._redelivery_delay

    def create_endpoint(self, participant: TransactionParticipant | None = None) -> MessageEndpoint:
        """A fresh endpoint. Does not block. Raises DeliveryError once the activation is over.

        Args:
            participant: The adapter's part in the unit of work of a transacted delivery; None for none.
        """
        self.require_open()
        return HandlerEndpoint(self, participant)

    def sign_on(self) -> Subject | None:
        """The subject that the adapter consumes with; None without alias. May block. Raises AuthDataError."""
        return self._sign_on()

    def close(self) -> None:
        """End the activation: endpoints are neither made nor used any more; what is in delivery ends undisturbed."""
        self._closed = True

    def require_open(self) -> None:
        """Raise DeliveryError (CF-ENDP-014) once the activation is over."""
        if self._closed:
            raise DeliveryError(ACTIVATION_OVER, application=self._application, activation=self._activation)

    def report_unknown_role(self, role: str) -> None:
        """Log, once for each role, that the handler asks for one that its application doesn't bind."""
        if role not in self._unknown_roles:
            self._unknown_roles.add(role)
            text = "application %r asks for role %r, which it doesn't bind: nobody is in it"
            _log.warning(text, self._application, role)

    def __repr__(self) -> str:
        return f"<HandlerEndpointFactory {self._application}:{self._activation} of {self.names['handler']}>"
