"""One message endpoint: the role check, then the handler, in a unit of work or in none (FLOW-5, FLOW-8)."""

from __future__ import annotations

import threading
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, final

from connector.endpoint.delivery import call_handler
from connector.endpoint.delivery_unit import DeliveryUnit
from connector.endpoint.message_context import MessageContext
from connector.endpoint.misuse import left_open, misused, not_a_message, wrong_thread
from connector.endpoint.proxy_states import BRACKETED, Misuse, ProxyState, Step, step, turn
from connector.endpoint.role_check import check_roles, explain_roles
from connector.endpoint.statistics import DeliveryOutcome
from connector.errors import AccessDenied, DeliveryError, DeliveryPostponed, Reason
from connector.security.scope import current_scope, current_subject, join_scope, leave_scope
from connector.spi import UNAUTHENTICATED, AuditEvent, Message, Outcome, Scope, Subject, TransactionParticipant

if TYPE_CHECKING:
    from connector.endpoint.factory import HandlerEndpointFactory

NOT_IN_ROLE = Reason(
    "CF-ENDP-010",
    "{caller} may not call the handler {handler}: it is in none of the allowed roles {roles}.",
    "Bind one of the roles to the user or to a group of it, in [roles] of application {application!r}.",
)
NO_WORK = Reason(
    "CF-ENDP-013",
    "a message for {application}:{activation} was delivered outside a work, so under no identity at all.",
    "The adapter must deliver within a work that it submits to the work manager.",
)


@final
class HandlerEndpoint:
    """Delivers to one handler under the subject that the work established (implements `spi.MessageEndpoint`).

    Opens no scope of its own. One call at a time; a second one at once is refused, not queued. What an adapter may
    call when is the table of `proxy_states`; what a delivery does about units of work is that of `units`.

    Args:
        factory: Whose endpoint it is.
        participant: The adapter's part in the unit of work of a transacted delivery; None for none.
    """

    # Mutable state, changed under `_lock`: `_state`, `_thread` (which the brackets were opened on). `_unit` belongs
    # to whoever has a call under way, or brought the endpoint from between the brackets to RELEASED; `_scope` as well.

    def __init__(self, factory: HandlerEndpointFactory, participant: TransactionParticipant | None = None) -> None:
        self._factory = factory
        self._participant = participant
        self._lock = threading.Lock()
        self._state = ProxyState.IDLE
        self._thread = 0
        self._unit: DeliveryUnit | None = None
        self._scope: Scope | None = None  # the work's, in which the brackets were opened
        self._handled: bool | None = None  # whether the handler returned; None where there was no message

    def before_delivery(self) -> None:
        """Begin what one message and its settlement have in common; see `spi.MessageEndpoint`.

        Raises DeliveryError for misuse, DeliveryPostponed while the activation takes no message, TransactionError where
        no unit can begin.
        """
        self._enter(Step.BEFORE)
        done = False
        try:
            self._factory.require_open()
            self._handled = None
            scope = current_scope()
            self._unit = self._begin()
            if scope is not None:
                join_scope(scope, self)
            self._scope = scope
            done = True
        finally:
            self._leave(done=done)

    def deliver(self, message: Message) -> Any:
        """Check the caller's role and call the handler; answers the reply body, a Message, or None.

        Blocks as long as the handler runs, and without brackets around it for the end of its unit. Raises AccessDenied
        (with its explanation; the handler was not called), DeliveryPostponed while it takes no message, DeliveryError
        where the handler raised, returned nonsense or asked for a rollback, outside a work and for misuse, ScopeError
        where the work is over already.
        """
        state = self._enter(Step.DELIVER)
        try:
            if state is ProxyState.HANDLING:
                assert self._unit is not None
                return self._handle(message, self._unit)
            return self._deliver_alone(message)
        finally:
            self._leave(done=True)

    def after_delivery(self) -> None:
        """End what `before_delivery` began: commit, where all went well; see `spi.MessageEndpoint`.

        Raises what `deliver` raised; DeliveryError (CF-ENDP-022, -024) where the unit was rolled back for another
        reason, and for misuse.
        """
        self._enter(Step.AFTER)
        try:
            unit, self._unit = self._unit, None
            assert unit is not None
            self._leave_scope()
            self._end(unit)
        finally:
            self._leave(done=True)

    def release(self) -> None:
        """Give the endpoint back. What is between brackets is rolled back. Harmless when called twice.

        Raises DeliveryError (CF-ENDP-015) while another call is under way; that one ends undisturbed.
        """
        with self._lock:
            before = self._state
            self._move(Step.RELEASE)
            unit, self._unit = self._unit, None
        if before in BRACKETED and unit is not None:
            self._leave_scope()
            self._abandon(unit)

    def scope_ended(self, scope: Scope) -> None:
        """The work has ended, and its brackets are still open: what is between them is rolled back, and that is counted
        (CF-ENDP-026). Nobody else would end that unit, nor give back what it has locked. Raises nothing.
        """
        with self._lock:
            before = self._state
            if self._scope is not scope or before not in BRACKETED:
                return
            self._state = ProxyState.RELEASED
            self._scope = None
            unit, self._unit = self._unit, None
        self._factory.refuse(left_open(before, self._factory))
        if unit is not None:
            self._abandon(unit)

    def _leave_scope(self) -> None:
        scope, self._scope = self._scope, None
        if scope is not None:
            leave_scope(scope, self)

    def _abandon(self, unit: DeliveryUnit) -> None:
        unit.abandon()
        if self._handled is not None:
            self._factory.counts.ended(DeliveryOutcome.ROLLED_BACK if self._handled else DeliveryOutcome.FAILED)

    def _deliver_alone(self, message: Message) -> Any:
        self._factory.require_open()
        self._handled = None
        unit = self._begin()
        reply = None
        try:
            reply = self._handle(message, unit)
        except Exception:  # noqa: BLE001 - the unit knows it, and `end` raises it again
            assert unit.failure is not None
        except BaseException:
            unit.abandon()  # an interrupt of the main thread: it is the user's, and passes
            raise
        self._end(unit)
        return reply

    def _end(self, unit: DeliveryUnit) -> None:
        """End a delivery's unit and count the delivery; raises what the unit's end raises."""
        try:
            unit.end()
        finally:
            if self._handled is not None:
                self._factory.counts.ended(DeliveryOutcome.of(unit.failure, handled=self._handled))

    def _handle(self, message: Message, unit: DeliveryUnit) -> Any:
        factory = self._factory
        try:
            factory.require_open()
            self._require_message(message)
            subject = self._subject()
            self._handled = False
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
                set_rollback_only=unit.set_rollback_only,
            )
            reply = self._call(message, context)
            self._handled = True
            unit.require_committable()
        except BaseException as error:
            if isinstance(error, DeliveryPostponed):
                self._handled = None  # beyond the concurrency: no delivery that has failed, but none
            unit.failed(error)
            raise
        return reply

    def _call(self, message: Message, context: MessageContext) -> Any:
        factory = self._factory
        token = factory.begin_handling()
        try:
            with nullcontext() if factory.acting is None else factory.acting.scope():
                return call_handler(factory.handler, message, context, factory.loop, factory.names)
        finally:
            factory.counts.end(token)

    def _begin(self) -> DeliveryUnit:
        factory = self._factory
        unit = DeliveryUnit(
            factory.units,
            transacted=factory.transacted,
            participant=self._participant,
            timeout=factory.transaction_timeout,
            names=factory.names,
        )
        unit.begin()
        return unit

    def _enter(self, asked: Step) -> ProxyState:
        with self._lock:
            here = threading.get_ident()
            if self._state in BRACKETED and self._thread != here:
                raise self._factory.refuse(wrong_thread(asked, self._factory))
            self._move(asked)
            self._thread = here
            return self._state

    def _move(self, asked: Step) -> None:
        """Under the lock."""
        following = step(self._state, asked)
        if isinstance(following, Misuse):
            raise self._factory.refuse(misused(following, asked, self._state, self._factory))
        self._state = following

    def _leave(self, *, done: bool) -> None:
        with self._lock:
            self._state = turn(self._state, done=done)

    def _require_message(self, found: object) -> None:
        if not isinstance(found, Message):
            raise self._factory.refuse(not_a_message(found, self._factory))

    def _subject(self) -> Subject:
        subject = current_subject()
        if subject is None:
            factory = self._factory
            names = {"application": factory.application, "activation": factory.activation}
            raise factory.refuse(DeliveryError(NO_WORK, **names))
        return subject

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
        return f"<HandlerEndpoint {self._factory.application}:{self._factory.activation}, {self._state.value}>"
