"""The inbound contract: activation specification, message endpoint and its factory (FLOW-5, FLOW-8)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol

from connector.errors import ConnectorError
from connector.spi.delivery import Ordering, RedeliveryPolicy
from connector.spi.message import Message
from connector.spi.subject import Subject
from connector.spi.transaction import TransactionParticipant


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
    """Delivers messages to one handler; used by one work at a time, on the work's thread.

    Either `deliver` alone: the endpoint begins and ends the unit of work of a transacted handler around it. Or, so
    that what the adapter does itself (settle the message, send the reply) is in that unit as well::

        endpoint = factory.create_endpoint(participant)
        try:
            endpoint.before_delivery()
            try:
                reply = endpoint.deliver(message)
                ...  # send the reply, have the participant settle the message
            finally:
                endpoint.after_delivery()
        except DeliveryPostponed: ...  # nobody was called: keep it as it was, count no attempt
        except Exception: ...  # rolled back, and not settled: deliver it again
        finally:
            endpoint.release()

    Whoever uses it otherwise (two calls at once, out of this order, two messages between one pair, from another
    thread, after `release`) gets a DeliveryError; no message between the two is legal.
    """

    def before_delivery(self) -> None:
        """Begin what one message, its handler and its settlement have in common. Does not block.

        For a transacted handler that is a unit of work, in which the participant is enlisted; for any other one
        nothing, and a unit of the adapter's own work is not in force until `after_delivery`. Where the adapter's work
        already runs in a unit, a transacted handler runs in that one and the participant is ignored.
        Raises DeliveryError for misuse, DeliveryPostponed while the activation takes no message, TransactionError where
        no unit can begin; then nothing was begun.
        """
        ...

    def deliver(self, message: Message) -> Any:
        """Check the role of the subject in force and call the handler; answers the reply body, a Message, or None.

        Blocks for as long as the handler runs. Raises AccessDenied where the caller is in no allowed role (the
        handler was not called), DeliveryPostponed while the activation takes no message (paused, over, at its
        concurrency: the handler was not called and the message is not to blame), DeliveryError with the cause where the
        handler raised. Returning is success, within the brackets only so far: what settles a message is the adapter's
        business.
        """
        ...

    def after_delivery(self) -> None:
        """End it: the unit of work is committed, or rolled back where the delivery failed. Blocks for that.

        Returning is success. Whatever it raises means that nothing of the delivery stays and that the message is to be
        delivered again or dealt with as a failed one: what `deliver` raised is raised again, and a DeliveryError where
        the unit was rolled back for another reason (the handler asked for it, a participant's no, the time was over).
        Raises DeliveryError for misuse, too.
        """
        ...

    def release(self) -> None:
        """Give the endpoint back. Between `before_delivery` and `after_delivery` the unit of work is rolled back.

        Harmless when called twice. Raises DeliveryError while another call is under way.
        """
        ...


class MessageEndpointFactory(Protocol):
    """Makes endpoints for one activation of one handler; unique, compared by identity. Safe to use from any thread."""

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
    def ordering(self) -> Ordering:
        """Which messages keep their order. With `Ordering.QUEUE` the concurrency is 1."""
        ...

    @property
    def redelivery(self) -> RedeliveryPolicy:
        """What becomes of a message whose delivery has failed."""
        ...

    def create_endpoint(self, participant: TransactionParticipant | None = None) -> MessageEndpoint:
        """A fresh endpoint. Does not block. Raises DeliveryPostponed while the activation is paused or over.

        Args:
            participant: What settles the messages of this endpoint, as a part of a transacted handler's unit of work;
                ignored where there is none. None: settling is not in the unit.
        """
        ...

    def sign_on(self) -> Subject | None:
        """The subject that the adapter consumes with: the newest credential of the activation's alias, for the
        adapter's own use; None where the activation names no alias. May block. Raises AuthDataError.
        """
        ...

    def run_as(self) -> Subject | None:
        """The subject that the handler's outbound work runs as, and that the adapter sends its replies as.

        None where that is the caller's own. May block. Raises AuthDataError, AuthenticationFailed.
        """
        ...

    def lost(self, error: ConnectorError) -> None:
        """Tell that the subscription stands no more, and why: the source has gone away.

        Does not block and raises nothing. The container ends the activation at the adapter (`deactivate_endpoint`) and
        begins it again after a while, again and again until it stands; meanwhile `status` shows the error.
        """
        ...
