"""The endpoint factory of one activation of one handler (FLOW-5, FLOW-8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from typing import Any, final

from connector.endpoint.declaration import handler_name
from connector.endpoint.delivery import CoroutineRunner
from connector.endpoint.endpoint import HandlerEndpoint
from connector.endpoint.role_check import ApplicationRoles
from connector.endpoint.run_as import RunAs
from connector.endpoint.statistics import DeliveryCounts, DeliveryStatistics
from connector.endpoint.units import Units
from connector.errors import ConnectorError, DeliveryError, DeliveryPostponed, Reason
from connector.spi import (
    AuditLog,
    Clock,
    MessageEndpoint,
    Ordering,
    RedeliveryPolicy,
    Subject,
    SystemClock,
    TransactionParticipant,
)

_log = logging.getLogger("connector.endpoint")

ACTIVATION_OVER = Reason(
    "CF-ENDP-014",
    "the activation {application}:{activation} is over.",
    "The adapter must stop delivering when it is told to; the message is kept for the next activation.",
)
ACTIVATION_PAUSED = Reason(
    "CF-ENDP-032",
    "the activation {application}:{activation} is paused.",
    "`connector activations resume` lets it go on; the message is kept until then.",
)
TOO_MANY = Reason(
    "CF-ENDP-019",
    "a message for {application}:{activation} was delivered while {limit} are in delivery, which is its concurrency.",
    "The message is kept and comes again. Handlers that outlive a pause count as well; where there was none, the"
    " adapter delivers more at once than it was told: report it to the adapter's vendor.",
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
        ordering: Which messages keep their order; with QUEUE the concurrency is 1, whatever is given.
        redelivery: What becomes of a message whose delivery has failed.
        lookup: Finds a resource reference of the application.
        loop: Where coroutine handlers run.
        audit: Where deliveries and refusals are recorded (`deliver`).
        sign_on: The subject that the adapter consumes with; may block.
        realm: The application's realm.
        units: The container's transactions; None where there are none: the adapter then does what it can alone.
        transaction_timeout: Seconds that the unit of a transacted delivery may last; None for the default.
        acting: The identity that the handler's outbound work runs as; None for the caller's.
        clock: For the figures.

    Safe to use from any thread. The read-only attributes are for the endpoints.
    """

    # Mutable state: `_closed`, which only ever turns True; `_paused` and `_on_lost`, set by the activation; and
    # `_unknown_roles`, which only grows, by an entry for each misspelt name in the handler. Each step is atomic.

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
        ordering: Ordering = Ordering.NONE,
        redelivery: RedeliveryPolicy | None = None,
        lookup: Callable[[str], Any],
        loop: CoroutineRunner,
        audit: AuditLog,
        sign_on: Callable[[], Subject | None] = lambda: None,
        realm: str = "",
        units: Units | None = None,
        transaction_timeout: float | None = None,
        acting: RunAs | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._application = application
        self._realm = realm
        self._activation = activation
        self._transacted = transacted
        self._concurrency = 1 if ordering is Ordering.QUEUE else concurrency
        self._ordering = ordering
        self._redelivery = redelivery or RedeliveryPolicy()
        self._sign_on = sign_on
        self._closed = False
        self._paused = False
        self._on_lost: Callable[[ConnectorError], None] = _ignore
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
        self.acting = acting
        self.counts = DeliveryCounts(self._concurrency, (clock or SystemClock()).monotonic)

    @property
    def application(self) -> str:
        """The application's name."""
        return self._application

    @property
    def realm(self) -> str:
        """The application's realm."""
        return self._realm

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
    def ordering(self) -> Ordering:
        """Which messages keep their order."""
        return self._ordering

    @property
    def redelivery(self) -> RedeliveryPolicy:
        """What becomes of a message whose delivery has failed."""
        return self._redelivery

    def create_endpoint(self, participant: TransactionParticipant | None = None) -> MessageEndpoint:
        """A fresh endpoint. Does not block. Raises DeliveryPostponed while the activation is paused or over.

        Args:
            participant: The adapter's part in the unit of work of a transacted delivery; None for none.
        """
        self.require_open()
        return HandlerEndpoint(self, participant)

    def sign_on(self) -> Subject | None:
        """The subject that the adapter consumes with; None without alias. May block. Raises AuthDataError."""
        return self._sign_on()

    def run_as(self) -> Subject | None:
        """The subject that outbound work and replies run as; None for the caller's. May block.

        Raises AuthDataError, AuthenticationFailed.
        """
        return None if self.acting is None else self.acting.subject()

    def lost(self, error: ConnectorError) -> None:
        """The adapter's word that the subscription stands no more. Does not block and raises nothing."""
        self._on_lost(error)

    def watch(self, on_lost: Callable[[ConnectorError], None]) -> None:
        """Have somebody told when the adapter says that the subscription is lost; must not block."""
        self._on_lost = on_lost

    def pause(self) -> None:
        """No delivery begins until `resume`; what is in delivery ends undisturbed."""
        self._paused = True

    def resume(self) -> None:
        """Deliveries may begin again."""
        self._paused = False

    def close(self) -> None:
        """End the activation: endpoints are neither made nor used any more; what is in delivery ends undisturbed."""
        self._closed = True

    def require_open(self) -> None:
        """Raise DeliveryPostponed once the activation is over (CF-ENDP-014), and while it is paused (CF-ENDP-032)."""
        if self._closed or self._paused:
            reason = ACTIVATION_OVER if self._closed else ACTIVATION_PAUSED
            raise self.refuse(DeliveryPostponed(reason, application=self._application, activation=self._activation))

    def refuse(self, error: DeliveryError) -> DeliveryError:
        """Count a refused call of the adapter, log the first of its kind, and answer the error, to be raised."""
        if error.code not in self.counts.statistics().refused:
            _log.warning("%s", error)
        self.counts.refused(error)
        return error

    def begin_handling(self) -> int:
        """Count a handler in; raises DeliveryPostponed (CF-ENDP-019) beyond the concurrency."""
        token = self.counts.begin()
        if token is None:
            raise self.refuse(
                DeliveryPostponed(
                    TOO_MANY, application=self._application, activation=self._activation, limit=self._concurrency
                )
            )
        return token

    def statistics(self) -> DeliveryStatistics:
        """What has become of the messages so far. Does not block."""
        return self.counts.statistics()

    def report_unknown_role(self, role: str) -> None:
        """Log, once for each role, that the handler asks for one that its application doesn't bind."""
        if role not in self._unknown_roles:
            self._unknown_roles.add(role)
            text = "application %r asks for role %r, which it doesn't bind: nobody is in it"
            _log.warning(text, self._application, role)

    def __repr__(self) -> str:
        return f"<HandlerEndpointFactory {self._application}:{self._activation} of {self.names['handler']}>"


def _ignore(_error: ConnectorError) -> None:
    """Nobody watches."""
