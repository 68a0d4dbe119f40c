"""One message endpoint: the role check, then the handler, once at a time (FLOW-5)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, final

from connector.endpoint.delivery import call_handler
from connector.endpoint.message_context import MessageContext
from connector.endpoint.role_check import check_roles, explain_roles
from connector.errors import AccessDenied, DeliveryError, Reason
from connector.security.scope import current_subject
from connector.spi import UNAUTHENTICATED, AuditEvent, Message, Outcome, Subject

if TYPE_CHECKING:
    from connector.endpoint.factory import HandlerEndpointFactory

NOT_IN_ROLE = Reason(
    "CF-ENDP-010",
    "{caller} may not call the handler {handler}: it is in none of the allowed roles {roles}.",
    "Bind one of the roles to the user or to a group of it, in [roles] of application {application!r}.",
)
CONCURRENT = Reason(
    "CF-ENDP-011",
    "an endpoint of {application}:{activation} was given a second message while it delivers one.",
    "The adapter must use one endpoint for each message in delivery; report it to the adapter's vendor.",
)
RELEASED = Reason(
    "CF-ENDP-012",
    "an endpoint of {application}:{activation} was used after it had been released.",
    "The adapter must create another endpoint; report it to the adapter's vendor.",
)
NO_WORK = Reason(
    "CF-ENDP-013",
    "a message for {application}:{activation} was delivered outside a work, so under no identity at all.",
    "The adapter must deliver within a work that it submits to the work manager.",
)


@final
class HandlerEndpoint:
    """Delivers to one handler under the subject that the work established (implements `spi.MessageEndpoint`).

    Opens no scope of its own. One delivery at a time; a second one at once is refused, not queued.

    Args:
        factory: Whose endpoint it is.
    """

    # Mutable state, changed under `_lock`: `_delivering`, `_released`.

    def __init__(self, factory: HandlerEndpointFactory) -> None:
        self._factory = factory
        self._lock = threading.Lock()
        self._delivering = False
        self._released = False

    def deliver(self, message: Message) -> Any:
        """Check the caller's role and call the handler; answers the reply body, a Message, or None.

        Blocks as long as the handler runs. Raises AccessDenied (with its explanation; the handler was not called),
        DeliveryError where the handler raised or returned nonsense, outside a work, for a second delivery at once,
        after `release` and after the activation's end, ScopeError where the work is over already.
        """
        factory = self._factory
        with self._lock:
            if self._released:
                raise DeliveryError(RELEASED, application=factory.application, activation=factory.activation)
            if self._delivering:
                raise DeliveryError(CONCURRENT, application=factory.application, activation=factory.activation)
            self._delivering = True
        try:
            factory.require_open()
            subject = current_subject()
            if subject is None:
                raise DeliveryError(NO_WORK, application=factory.application, activation=factory.activation)
            self._check(subject, message)
            context = MessageContext(
                message,
                subject,
                factory.roles,
                factory.lookup,
                application=factory.application,
                activation=factory.activation,
                caller=subject.caller or UNAUTHENTICATED,
                on_unknown_role=factory.report_unknown_role,
            )
            return call_handler(factory.handler, message, context, factory.loop, factory.names)
        finally:
            with self._lock:
                self._delivering = False

    def release(self) -> None:
        """Give the endpoint back; a delivery under way ends undisturbed. Harmless when called twice."""
        with self._lock:
            self._released = True

    def _check(self, subject: Subject, message: Message) -> None:
        factory = self._factory
        decision = check_roles(subject, factory.roles_allowed, factory.roles)
        factory.audit.record(
            AuditEvent(
                "deliver",
                str(subject.caller),
                f"{factory.application}:{factory.activation}",
                Outcome.SUCCESS if decision.allowed else Outcome.DENIED,
                decision.why if decision.allowed else NOT_IN_ROLE.code,
                {"handler": factory.names["handler"], "message_id": message.message_id},
            )
        )
        if not decision.allowed:
            raise AccessDenied(
                NOT_IN_ROLE,
                explanation=explain_roles(subject, factory.names["handler"], factory.roles_allowed, factory.roles),
                caller=str(subject.caller),
                handler=factory.names["handler"],
                roles=", ".join(factory.roles_allowed),
                application=factory.application,
            )

    def __repr__(self) -> str:
        return f"<HandlerEndpoint {self._factory.application}:{self._factory.activation}>"
