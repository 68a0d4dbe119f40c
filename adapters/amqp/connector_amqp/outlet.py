"""A link on which we send: one message at a time or many, each with its answer awaited."""

from __future__ import annotations

import asyncio
from typing import Any, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector_amqp.coordinator import ACCEPTED, TRANSACTIONAL
from connector_amqp.link import BrokerLink
from connector_amqp.refusals import Condition, condition_of, refusal
from connector_amqp.wire import Wire

NOT_TAKEN = Reason(
    "CF-AMQP-030",
    "{broker} did not take the message for {destination}: it was {outcome}.",
    "Try again later: the broker can't take it now.",
)


@final
class Outlet(BrokerLink):
    """One sending link. For the adapter's loop only.

    Args:
        wire: The connection.
        address: Where to; None for a link on which each message says so itself.

    Mutable state, besides that of all links: `_answers`, who waits for the outcome of which delivery; `_tags`.
    """

    def __init__(self, wire: Wire, address: str | None) -> None:
        super().__init__(wire, f"sending to {address or 'anybody'}")
        self._address = address
        self._answers: dict[str, asyncio.Future[None]] = {}
        self._tags = 0

    async def send(self, data: bytes, unit: bytes | None = None) -> None:
        """Send, and wait until the broker has accepted it. Waits for credit first.

        Args:
            data: The whole message.
            unit: The transaction that it belongs to; None for none.

        Raises what the broker refuses (AccessDenied CF-AMQP-020, NameNotFound -021, MessagingError -022),
        MessagingError CF-AMQP-030, ConnectionFailed CF-AMQP-023.
        """
        while self._link.credit <= 0:
            await self._change()
        self._check()
        self._tags += 1
        tag = str(self._tags)
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers[tag] = answer
        self._write(tag, data, unit)
        try:
            await answer
        finally:
            self._answers.pop(tag, None)

    def _write(self, tag: str, data: bytes, unit: bytes | None) -> None:
        delivery = self._link.delivery(tag)
        if unit is not None:
            delivery.local.data = [unit]
            delivery.update(TRANSACTIONAL)
        self._link.stream(data)
        self._link.advance()
        self.wire.flush()

    def on_delivery(self, delivery: Any) -> None:
        """The broker has said what becomes of a message."""
        if not delivery.updated:
            return
        answer = self._answers.get(delivery.tag)
        outcome = self._outcome(delivery)
        if outcome is None and not delivery.settled:
            return  # received so far, and no outcome yet
        if answer is not None and not answer.done():
            if outcome is True:
                answer.set_result(None)
            else:
                answer.set_exception(outcome or self._not_taken("settled without an outcome"))
        delivery.settle()

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended it: what has no answer by now gets none."""
        super().on_ended(condition)
        self._fail_all()

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""
        super().on_lost(error)
        self._fail_all()

    def _outcome(self, delivery: Any) -> bool | ConnectorError | None:
        state = delivery.remote_state
        if state == delivery.ACCEPTED:
            return True
        if state == TRANSACTIONAL:
            fields = delivery.remote.data
            outcome = fields[1] if isinstance(fields, list | tuple) and len(fields) > 1 else None
            descriptor = getattr(outcome, "descriptor", None)
            taken = descriptor == ACCEPTED or str(descriptor) == "amqp:accepted:list"
            return True if taken else self._not_taken("not accepted within the transaction")
        if state == delivery.REJECTED:
            return refusal(self.wire.broker, self.what, condition_of(delivery.remote.condition))
        if state in (delivery.RELEASED, delivery.MODIFIED):
            return self._not_taken("released" if state == delivery.RELEASED else "given back")
        return None

    def _not_taken(self, outcome: str) -> MessagingError:
        return MessagingError(
            NOT_TAKEN, broker=self.wire.broker, destination=self._address or "its own address", outcome=outcome
        )

    def _fail_all(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self.error())

    def _make(self, session: Any) -> Any:
        link = session.sender(self.wire.new_name())
        link.source.address = link.name
        link.target.type = link.target.TARGET
        if self._address is not None:
            link.target.address = self._address
        link.snd_settle_mode = link.SND_UNSETTLED
        link.rcv_settle_mode = link.RCV_FIRST
        return link

    def _is_refused(self) -> bool:
        return bool(self._link.remote_target.type == self._link.remote_target.UNSPECIFIED)
