"""One delivery of one message to a handler, as a work under the identity in the message (FLOW-3, FLOW-5, FLOW-8).

What becomes of the message at the broker:

====================================  =====================================================================
the delivery                          the message is
====================================  =====================================================================
succeeded                             accepted
failed, may be tried again            modified, delivery failed: the broker counts it and delivers it again;
                                      where an order is kept it stays out and is delivered again from here
failed beyond the limit               rejected, with our code as the reason
ended after the activation            released, and not counted
can't be decided for now              kept, and delivered again from here: nobody was refused
====================================  =====================================================================
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Any, final

from connector.errors import (
    ConnectorError,
    DeliveryPostponed,
    MessagingError,
    NameNotFound,
    WorkCompletedWithError,
    WorkRejected,
)
from connector.spi import Message, Principal, Work, WorkEvent, WorkEventKind, identity_outage
from connector_amqp.caller import SenderContext, sender_of
from connector_amqp.codec import MALFORMED, decoded
from connector_amqp.delivery_branch import DeliveryBranch
from connector_amqp.inlet import Arrived
from connector_amqp.refusals import Condition

if TYPE_CHECKING:
    from connector_amqp.activation import Activation

_LOG = logging.getLogger("connector_amqp")


@final
class Delivery(Work):
    """Delivers, replies, settles. One object a message; used by one thread at a time.

    Mutable state: `_message`, read at its first use; `_ran`, whether the work's own code was reached.
    """

    def __init__(self, activation: Activation, arrived: Arrived) -> None:
        self.activation = activation
        self.arrived = arrived
        self._message: Message | None = None
        self._ran = False

    def schedule(self) -> None:
        """Hand it to the work manager; does not block. One that is not taken is offered again after a while."""
        self._ran = False
        context = SenderContext(self._sender, self.activation.factory.realm)
        try:
            self.activation.works.schedule_work(self, contexts=(context,), listener=self._listen)
        except WorkRejected as refusal:
            self.activation.offer_again(self, refusal)

    def run(self) -> None:
        """Deliver under the sender's identity, and settle."""
        self._ran = True
        activation = self.activation
        if activation.stopped:
            activation.settle(self, "released")
            return
        branch = activation.branch(self.arrived)
        try:
            message = self.message()
            if branch is None:
                self._reply(message, self._deliver(message))
            else:
                self._deliver_in_a_transaction(message, branch)
        except BaseException as error:
            if branch is not None and (branch.is_unknown or branch.is_lost):
                # Nothing can be said of the message any more, which comes again unless it was committed.
                _LOG.warning("%s: a delivery ends with its connection: %s", activation.source, _words(error))
                activation.settle(self, "released")
            else:
                self._failed(error)
            if not isinstance(error, Exception):
                raise
        else:
            activation.succeeded()
            activation.failures.forget(activation.source, _key(message))
            activation.settle(self, "accepted")

    def message(self) -> Message:
        """The message, with its sender and how often it has failed. Raises MessagingError CF-AMQP-034."""
        if self._message is None:
            activation = self.activation
            received = decoded(self.arrived.data, activation.source, from_engine=activation.from_engine)
            message = received.message
            failed = activation.failures.of(activation.source, _key(message), message.delivery_count)
            sender = sender_of(received, activation.subscription, activation.factory.realm)
            self._message = message.replace(delivery_count=failed, identity=sender)
        return self._message

    def _sender(self) -> Principal | None:
        return self.message().identity

    def _deliver(self, message: Message) -> Any:
        """The handler, in a unit of work where it is transacted; the message is settled after its commit."""
        endpoint = self.activation.factory.create_endpoint()
        try:
            endpoint.before_delivery()
            try:
                reply = endpoint.deliver(message)
            finally:
                endpoint.after_delivery()
        finally:
            endpoint.release()
        return reply

    def _deliver_in_a_transaction(self, message: Message, branch: DeliveryBranch) -> None:
        """Handler, reply and settlement in one transaction at the broker: the last resource of the handler's unit."""
        activation = self.activation
        try:
            endpoint = activation.factory.create_endpoint(branch)
            try:
                endpoint.before_delivery()
                unit = activation.current_unit()
                with branch.alone() if unit is None else activation.noted(unit, branch):
                    self._reply(message, endpoint.deliver(message), branch)
                    endpoint.after_delivery()
            finally:
                endpoint.release()  # rolls back what has not come to its end
        finally:
            branch.end()

    def _reply(self, request: Message, reply: Any, branch: DeliveryBranch | None = None) -> None:
        if reply is None or request.reply_to is None:
            return
        answer = reply if isinstance(reply, Message) else Message(reply)
        correlation = answer.correlation_id or request.reply_correlation_id
        send = self.activation.reply if branch is None else branch.send
        try:
            send(request.reply_to, answer.replace(correlation_id=correlation))
        except NameNotFound as gone:
            _LOG.warning("%s: a reply is dropped, nobody waits for it any more: %s", self.activation.source, gone.code)

    def _listen(self, event: WorkEvent) -> None:
        if event.kind is WorkEventKind.REJECTED:
            self.activation.offer_again(self, event.error)
        elif event.kind is WorkEventKind.COMPLETED and event.error is not None and not self._ran:
            self._failed(event.error)  # its caller could not be established

    def _failed(self, error: BaseException) -> None:
        activation = self.activation
        if activation.stopped or not isinstance(error, Exception):
            # Most likely the stop's own doing: it comes again, and must not be nearer to being given up by then.
            activation.settle(self, "released")
            return
        if isinstance(error, DeliveryPostponed):  # paused between taking and delivering it
            activation.offer_again(self, error)
            return
        outage = identity_outage(error)
        if outage is not None:
            activation.wait_for_outage(self, outage)
            return
        cause = _innermost(error)
        reason = Condition("connector:delivery-failed", _words(cause))
        if isinstance(cause, MessagingError) and cause.code == MALFORMED.code:
            _LOG.warning("%s: a message is rejected: %s", activation.source, cause)
            activation.settle(self, "rejected", condition=reason)
            return
        message = self.message()
        failures, key = message.delivery_count + 1, _key(message)
        policy = activation.factory.redelivery
        if failures > policy.limit:
            _LOG.warning(
                "%s: message %s is given up after %d attempt(s): %s",
                activation.source,
                message.message_id,
                failures,
                reason.description,
            )
            activation.failures.forget(activation.source, key)
            activation.settle(self, "rejected", condition=reason)
        else:
            activation.failures.note(activation.source, key, failures)
            if activation.in_order:
                # Given back it could be overtaken: nobody says when the broker has put it in its place.
                self._message = message.replace(delivery_count=failures)
                activation.deliver_again(self, policy.pause(failures))
            else:
                activation.settle(self, "modified", delay=policy.pause(failures))


def _key(message: Message) -> str:
    """What a message is known by when it comes again; by its content where its sender gave it no id."""
    if message.message_id is not None:
        return message.message_id
    content = (message.body, sorted(message.properties.items()), message.correlation_id, message.timestamp)
    return hashlib.sha256(repr(content).encode("utf-8", "backslashreplace")).hexdigest()


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, WorkCompletedWithError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _words(error: BaseException) -> str:
    """Of foreign errors only the type: their text may hold a secret."""
    return f"{error.code}: {error.text}" if isinstance(error, ConnectorError) else type(error).__name__
