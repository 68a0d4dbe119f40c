"""One delivery of one message to a handler, as a work under the identity in the message (FLOW-3, FLOW-5, FLOW-8)."""

from __future__ import annotations

import logging
from typing import Any, final

from connector.errors import ConnectorError, DeliveryPostponed, MessagingError, WorkCompletedWithError, WorkRejected
from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    Message,
    MessageEndpointFactory,
    Ordering,
    SecurityContext,
    Subject,
    UnauthenticatedPrincipal,
    Work,
    WorkEvent,
    WorkEventKind,
    identity_outage,
)
from connector_bus.adapter.bus import Bus
from connector_bus.engine.consumer import REFUSAL_PAUSE, Consumer, Taken
from connector_bus.engine.delivery_unit import DeliveryUnit, unit_in_force
from connector_bus.engine.engine import MESSAGE_GONE
from connector_bus.engine.forward_path import way_back
from connector_bus.engine.message_queue import MessageQueue
from connector_bus.engine.participant import BusParticipant
from connector_bus.store.record import StoredMessage

_LOG = logging.getLogger("connector_bus.adapter")


@final
class Delivery(Work):
    """Delivers, replies, settles; a failure is redelivered or ends in the exception destination, never lost.

    One object a delivery, used by one thread at a time: first the work manager's, and where the security context
    could not be set up that of a second work, which books the failure.
    """

    def __init__(self, bus: Bus, consumer: Consumer, taken: Taken, factory: MessageEndpointFactory) -> None:
        self._bus = bus
        self._consumer = consumer
        self._taken = taken
        self._entry = taken.entry
        self._factory = factory
        self._stored: StoredMessage | None = None
        self._ran = False

    def schedule(self) -> None:
        """Hand it to the work manager; does not block. One that is not taken goes back to the queue for a while."""
        context = MessageSecurityContext(self, self._factory.realm)
        try:
            self._bus.context.work_manager.schedule_work(self, contexts=(context,), listener=self._listen)
        except WorkRejected as refusal:
            _LOG.warning("bus %s: a delivery of %s must wait: %s", self._bus.name, self._queue.name, refusal.code)
            self._consumer.refused(self._taken)

    def fetch(self) -> StoredMessage:
        """The message, read at its first use. Blocks for the disk. Raises MessagingError."""
        if self._stored is None:
            self._stored = self._bus.engine.fetch(self._queue.name, self._entry)
        return self._stored

    def run(self) -> None:
        """Deliver under the identity that the security context has established, and settle."""
        self._ran = True
        if self._consumer.is_stopped:
            # It waited for a thread until the activation ended: no failure of the message's, so none is counted.
            self._queue.release(self._entry)
            self._consumer.done(self._taken)
            return
        settlement = DeliveryUnit(self._bus.engine)
        participant = BusParticipant(self._bus.engine, settlement, (self._queue, self._entry))
        try:
            if self._factory.transacted:
                self._deliver_in_a_unit(participant)
            else:
                self._deliver(settlement)
            self._consumer.succeeded()
        except BaseException as error:
            self._undo(participant, error)
            if not isinstance(error, Exception):
                raise
        finally:
            self._consumer.done(self._taken)

    def _deliver(self, settlement: DeliveryUnit) -> None:
        message = self._message()
        endpoint = self._factory.create_endpoint()
        try:
            reply = endpoint.deliver(message)
        finally:
            endpoint.release()
        # The reply and the removal are one unit; the handler's own sends are not in it.
        self._settle(settlement, message, reply)

    def _deliver_in_a_unit(self, participant: BusParticipant) -> None:
        """Receive, handler, reply and settlement in one unit of work; where the endpoint has none, in one of ours."""
        message, endpoint = self._message(), self._factory.create_endpoint(participant)
        try:
            endpoint.before_delivery()
            has_begun = self._bus.engine.participants.bind(participant)
            with unit_in_force(None if has_begun else participant.unit):
                reply = endpoint.deliver(message)
            if has_begun:
                self._reply(message, reply)
            endpoint.after_delivery()
        finally:
            endpoint.release()  # rolls back what has not come to its end
        if not has_begun:
            self._settle(participant.unit, message, reply)

    def _message(self) -> Message:
        return self.fetch().message().replace(delivery_count=self._entry.attempts)

    def _settle(self, settlement: DeliveryUnit, message: Message, reply: Any) -> None:
        with unit_in_force(settlement):
            self._reply(message, reply)
        sends, receipts = settlement.close()
        self._bus.engine.commit(sends, (*receipts, (self._queue, self._entry)))

    def _undo(self, participant: BusParticipant, error: BaseException) -> None:
        """The delivery has failed: what was received goes back, and the message is booked as failed."""
        if not participant.leave():
            # It may yet be committed: nobody gets the message before that is decided.
            _LOG.warning("bus %s: a delivery of %s is in doubt: %s", self._bus.name, self._queue.name, error)
        elif isinstance(error, Exception):
            self._failed(error)
        else:
            self._queue.release(self._entry)

    def _reply(self, request: Message, reply: Any) -> None:
        """Send the reply, where one is given and wanted, as what the handler's work runs as: the execution subject,
        unless run-as is set.
        """
        back = way_back(request)
        if reply is None or back is None:
            return
        subject = self._factory.run_as() or self._bus.context.identity.current_subject() or Subject.unauthenticated()
        answer = reply if isinstance(reply, Message) else Message(reply)
        correlation = answer.correlation_id or request.reply_correlation_id
        answer = answer.replace(correlation_id=correlation, forward_path=(*answer.forward_path, *back[1]))
        self._bus.engine.send(subject, back[0], answer)

    def _failed(self, error: BaseException) -> None:
        if self._consumer.is_stopped:
            # Most likely the stop's own doing: a pool that is closed, a coroutine that is cancelled. The message is
            # delivered again after the next start, and must not be nearer to the exception destination by then.
            _LOG.info("bus %s: a delivery of %s failed after its activation's end", self._bus.name, self._queue.name)
            self._queue.release(self._entry)
            return
        if self._is_gone(error):
            # It left by a commit whose answer was lost, or by somebody else's hand: there is nothing to deliver again.
            _LOG.error("bus %s: a delivery of %s ends: %s", self._bus.name, self._queue.name, error)
            self._queue.remove(self._entry)
            return
        if isinstance(error, DeliveryPostponed):
            # Paused between taking and delivering it. Held, or it would be taken again at once until that gets here.
            self._consumer.hold(REFUSAL_PAUSE, error.code)
            self._queue.release(self._entry)
            return
        outage = identity_outage(error)
        if outage is not None:
            self._wait_for_the_registry(outage)
            return
        redelivery = self._factory.redelivery
        in_order = self._factory.ordering is Ordering.QUEUE
        self._bus.failures.failed(
            self._queue,
            self._entry,
            error,
            limit=redelivery.limit,
            delay=redelivery.pause(self._entry.attempts + 1),
            hold=self._hold_for_redelivery if in_order else None,
        )

    def _is_gone(self, error: BaseException) -> bool:
        """Whether it failed since the message is in the store no longer; perhaps while its caller was established."""
        cause = error.__cause__ if isinstance(error, WorkCompletedWithError) else error
        if not isinstance(cause, MessagingError) or cause.code != MESSAGE_GONE.code:
            return False
        return bool(cause.details["sequence"] == self._entry.sequence)

    def _wait_for_the_registry(self, outage: ConnectorError) -> None:
        """Nobody was refused and the message is not to blame: it goes back unharmed, and deliveries pause."""
        seconds = self._consumer.outage(outage.code)
        self._queue.release(self._entry)
        _LOG.warning(
            "bus %s: deliveries of %s to %s/%s pause for %.0f s, no attempt is counted: %s",
            self._bus.name,
            self._queue.name,
            self._factory.application,
            self._factory.activation,
            seconds,
            outage,
        )

    def _hold_for_redelivery(self, seconds: float) -> None:
        self._consumer.hold(seconds, "redelivery")

    def _listen(self, event: WorkEvent) -> None:
        if event.kind is WorkEventKind.REJECTED:
            self._consumer.refused(self._taken)
        elif event.kind is WorkEventKind.COMPLETED and event.error is not None and not self._ran:
            self._context_failed(event.error)

    def _context_failed(self, error: BaseException) -> None:
        """The caller could not be established, so `run` was never called: a failed delivery like any other.

        A listener must not block, and booking the failure writes to disk: so that is a work of its own.
        """

        def book() -> None:
            try:
                self._failed(error)
            finally:
                self._consumer.done(self._taken)

        def listen(event: WorkEvent) -> None:
            if event.kind is WorkEventKind.REJECTED:
                self._consumer.refused(self._taken)

        try:
            self._bus.context.work_manager.schedule_work(book, listener=listen)
        except WorkRejected:
            self._consumer.refused(self._taken)

    @property
    def _queue(self) -> MessageQueue:
        return self._consumer.queue

    def __repr__(self) -> str:
        return f"<Delivery of {self._entry!r} to {self._factory.application}/{self._factory.activation}>"


@final
class MessageSecurityContext(SecurityContext):
    """Says that the caller is whoever the message is from (FLOW-5): a name that the engine established.

    Decided in the realm of the application that it is delivered to. The groups are left to the container, which asks
    its registry for those of the caller in any case, and keeps the answer.
    """

    def __init__(self, delivery: Delivery, realm: str) -> None:
        self._delivery = delivery
        self.realm = realm or None

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        """Assert the message's identity, with its realm: a bare name could be somebody else's there."""
        sender = self._delivery.fetch().header.identity
        if sender is None or isinstance(sender, UnauthenticatedPrincipal):
            return
        handler.handle([CallerPrincipalCallback(execution_subject, sender)])
