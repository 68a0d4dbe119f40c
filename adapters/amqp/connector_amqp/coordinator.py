"""Local transactions at the broker: the link to its coordinator, and one transaction (AMQP 1.0, part 4).

What is sent carries the transaction's identifier and is there with its commit; what is received is acknowledged within
it, and comes again if it is rolled back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, final

from connector.errors import ConnectionFailed, ConnectorError, MessagingError, Reason, TransactionError
from connector_amqp.library import load_proton
from connector_amqp.link import BrokerLink
from connector_amqp.refusals import Condition, condition_of, refusal
from connector_amqp.wire import Wire

NO_TRANSACTIONS = Reason(
    "CF-AMQP-464",
    "{broker} has no local transactions: {why}",
    "Set transactions = false for this resource, whose messages are then in no unit of work. RabbitMQ 3 has none.",
)
OVER = Reason(
    "CF-AMQP-600",
    "a connection to {broker} was used within a unit of work that has ended.",
    "Wait within the handler for what it has others do, and end it before the handler returns.",
)
DECLARED: Final = 0x33
TRANSACTIONAL: Final = 0x34
ACCEPTED: Final = 0x24


@final
class Coordinator(BrokerLink):
    """The link to the broker's coordinator. For the adapter's loop only.

    Mutable state, besides that of all links: `_answers`, who waits for which answer; `_tags`.
    """

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, "a transaction")
        self._answers: dict[str, asyncio.Future[bytes]] = {}
        self._tags = 0

    async def declare(self) -> bytes:
        """Begin a transaction; answers its identifier. Raises what the broker refuses, ConnectionFailed."""
        return await self._ask("declare", None)

    async def discharge(self, unit: bytes, *, fail: bool) -> None:
        """End one; `fail` rolls it back. Raises what the broker refuses: it is rolled back then; ConnectionFailed."""
        await self._ask("discharge", unit, fail)

    async def _ask(self, what: str, *fields: Any) -> bytes:
        while self._link.credit <= 0:
            await self._change()
        proton = load_proton()
        self._tags += 1
        tag, answer = str(self._tags), asyncio.get_running_loop().create_future()
        self._answers[tag] = answer
        self._link.delivery(tag)
        self._link.stream(proton.Message(body=proton.Described(proton.symbol(f"amqp:{what}:list"), [*fields])).encode())
        self._link.advance()
        self.wire.flush()
        try:
            return bytes(await answer)
        finally:
            self._answers.pop(tag, None)

    def on_delivery(self, delivery: Any) -> None:
        """The coordinator's answer."""
        if not delivery.updated:
            return
        answer, state = self._answers.get(delivery.tag), delivery.remote_state
        if answer is not None and not answer.done():
            if state == DECLARED:
                answer.set_result(bytes(delivery.remote.data[0]))
            elif state == delivery.ACCEPTED:
                answer.set_result(b"")
            elif state == delivery.REJECTED or delivery.settled:
                answer.set_exception(refusal(self.wire.broker, self.what, condition_of(delivery.remote.condition)))
        delivery.settle()

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended it, and with it what was not committed."""
        super().on_ended(condition)
        self._fail_all()

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""
        super().on_lost(error)
        self._fail_all()

    def _fail_all(self) -> None:
        for answer in self._answers.values():
            if not answer.done():
                answer.set_exception(self.error())

    def _make(self, session: Any) -> Any:
        proton = load_proton()
        link = session.sender(self.wire.new_name())
        link.source.address = link.name
        link.target.type = link.target.COORDINATOR
        link.target.capabilities.put_object(proton.symbol("amqp:local-transactions"))
        link.snd_settle_mode = link.SND_UNSETTLED
        link.rcv_settle_mode = link.RCV_FIRST
        return link

    def _is_refused(self) -> bool:
        return bool(self._link.remote_target.type == self._link.remote_target.UNSPECIFIED)


@final
class Coordinators:
    """A connection's way to the broker's coordinator: one link, opened where it is needed. For the adapter's loop only.

    Args:
        wire: The connection.

    Mutable state: `_link`.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._link: Coordinator | None = None

    @property
    def broker(self) -> str:
        """The endpoint, for errors."""
        return self._wire.broker

    async def get(self) -> Coordinator:
        """The link, open. Raises MessagingError CF-AMQP-464 where the broker has none, ConnectionFailed CF-AMQP-023."""
        link = self._link
        if link is None or not link.stands:
            link = Coordinator(self._wire)
            try:
                await link.open()
            except ConnectionFailed:
                raise
            except ConnectorError as error:
                raise MessagingError(NO_TRANSACTIONS, broker=self._wire.broker, why=error.text) from error
            self._link = link
        return link


@final
class Transaction:
    """One transaction at the broker, begun where it is first needed. For the adapter's loop only.

    A handler may use several connections at once, on threads of its own, and all of them be in this one transaction: it
    is begun once, and what comes after its end is refused. A second one would be nobody's to commit.

    Args:
        coordinators: The way to the coordinator.
        begun: Told the identifier once it has begun.

    Mutable state, changed in `_turn`: `_link` and `_identifier`, while it is open; `_over`.
    """

    def __init__(self, coordinators: Coordinators, begun: Callable[[bytes], None] | None = None) -> None:
        self._coordinators = coordinators
        self._begun = begun
        self._link: Coordinator | None = None
        self._identifier: bytes | None = None
        self._over = False
        self._turn = asyncio.Lock()

    async def identifier(self) -> bytes:
        """What everything in it carries; begins it.

        Raises as `Coordinators.get`, what the broker refuses, and TransactionError CF-AMQP-600 after its end.
        """
        async with self._turn:
            if self._over:
                raise TransactionError(OVER, broker=self._coordinators.broker)
            if self._identifier is None:
                self._link = await self._coordinators.get()
                self._identifier = await self._link.declare()
                if self._begun is not None:
                    self._begun(self._identifier)
            return self._identifier

    async def discharge(self, *, fail: bool) -> None:
        """End it; nothing to do where it has not begun. Raises as `Coordinator.discharge`."""
        async with self._turn:
            ended, self._identifier, self._over = self._identifier, None, True
            if ended is not None:
                assert self._link is not None
                await self._link.discharge(ended, fail=fail)
