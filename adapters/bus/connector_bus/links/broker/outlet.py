"""The sending end of a link to a broker: `connector_bus.links.contract` over AMQP (BUS-14).

A broker numbers no transfers. It says of each message what has become of it; only where the connection breaks in
between nobody knows, and the message is sent again: at least once.

====================  =================================================================================
the broker says       the message
====================  =================================================================================
accepted              has left this bus
rejected              comes back: to the exception destination here, and its requester hears of it
released, modified    stays, and is sent again after a pause
nothing, and breaks   stays, and is sent again on the next connection
ends the link         comes back, if the link was refused at once; else it stays
====================  =================================================================================
"""

from __future__ import annotations

import itertools
import ssl
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import Any, Final, final

from connector.errors import ConnectionFailed, Reason
from connector_bus.chains.message_codec import encoded_for_broker
from connector_bus.links.broker.connection import BrokerConnection, open_connection, words_of
from connector_bus.links.exploration import Question, Stage
from connector_bus.links.framing import LINK_LOST
from connector_bus.links.transfer import ACCEPTED, Answer, Login, Outcome, Transfer
from connector_bus.settings import LinkSettings
from connector_bus.store.record import StoredMessage

REJECTED = Reason(
    "CF-LINK-441",
    "the broker rejects the message for {address}: {why}",
    "See the broker's reason; the message is in the exception destination of this bus.",
)
NOT_TAKEN = Reason(
    "CF-LINK-442", "the broker does not take the message for {address} now: {why}", "It is sent again by itself."
)
ADDRESS_REFUSED = Reason(
    "CF-LINK-443",
    "the broker does not take messages for {address}: {why}",
    "Correct the name, have the queue made there, or give the user of the link's alias the right to write there.",
)
NO_FURTHER = Reason(
    "CF-LINK-444",
    "the broker {broker} passes nothing on to bus {bus}",
    "Take `via` of that bus away, or name another bus: brokers know of no buses.",
)

#: Seconds without any answer of the broker's after which the connection is given up.
ANSWER_TIMEOUT: Final = 60.0
#: Conditions of a refusal that may be none in a while.
_PASSING: Final = [
    ["amqp", "internal-error"],
    ["amqp", "resource-limit-exceeded"],
    ["amqp", "resource-locked"],
    ["amqp", "connection"],
    ["it gives no reason"],
]
#: How many addresses have a link that is kept; a further one takes the place of the one that was used longest ago.
MAX_OUTLETS: Final = 100


@final
class BrokerTransport:
    """See `connector_bus.links.contract.LinkTransport`.

    Args:
        broker: The name that this bus has for it.
        link: The link.
        contexts: The client's TLS context by its name; asked for each connection.

    Mutable state: `_first`, the endpoint that answered last; any thread may replace it.
    """

    def __init__(self, broker: str, link: LinkSettings, contexts: Callable[[str], ssl.SSLContext]) -> None:
        self._broker = broker
        self._link = link
        self._contexts = contexts
        self._first = 0

    def open(self, login: Login) -> BrokerSession:
        """See the contract. Raises ConnectionFailed CF-BUS-201, LoginRefused CF-BUS-445, -532 or CF-LINK-440."""
        connection, self._first = open_connection(self._link, login, self._contexts, first=self._first)
        return BrokerSession(self._broker, connection, user=self._link.outbound_user)


@final
class BrokerSession:
    """See `connector_bus.links.contract.LinkSession`.

    Args:
        broker: The name that this bus has for it.
        connection: The connection, which gets its thread here.
        user: Whom the broker is told that messages are from; None to tell it nobody.
    """

    def __init__(self, broker: str, connection: BrokerConnection, *, user: str | None = None) -> None:
        self._broker = broker
        self._connection = connection
        self._user = user
        self._outlets: dict[str, Outlet] = {}
        self._batch: _Batch | None = None
        connection.on_lost = self._lost
        self._thread = threading.Thread(target=connection.run, name=f"bus-link-{broker}", daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """See the contract."""
        return self._connection.endpoint

    def held(self) -> frozenset[str]:
        """Nothing: brokers know of no transfers."""
        return frozenset()

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """See the contract; answers to all messages, since those behind a blocked one may have been accepted."""
        given = self._batch = _Batch(len(batch))
        for number, each in enumerate(batch):
            if each.bus != self._broker:
                given.answer(number, _returned(NO_FURTHER, broker=self._broker, bus=each.bus))
                continue
            data = encoded_for_broker(_stored(each), self._user, time.time())
            try:
                self._outlet(each.destination).send_soon(data, given, number)
            except ConnectionFailed:
                break  # it is lost; of those before something may be known
        return given.wait(self._connection)

    def explore(self, question: Question) -> Sequence[Stage]:
        """Brokers say nothing of themselves: whether the message would arrive isn't known."""
        return [Stage(self._broker, "arriving", question.destination, str(question.identity))]

    def close(self) -> None:
        """See the contract. Blocks for at most a second or so, until the connection's thread has ended."""
        self._connection.close()
        if threading.current_thread() is not self._thread:
            self._thread.join(2.0)

    def _lost(self, why: str) -> None:
        if self._batch is not None:
            self._batch.lose(why)

    def _outlet(self, address: str) -> Outlet:
        """The link to an address; the one that was used last is the last of all."""
        outlet = self._outlets.pop(address, None)
        if outlet is None:
            outlet = Outlet(self._connection, address)
            if len(self._outlets) >= MAX_OUTLETS:
                old = self._outlets.pop(next(iter(self._outlets)))
                self._connection.call(old.close)
        self._outlets[address] = outlet
        return outlet

    def __repr__(self) -> str:
        return f"<BrokerSession to {self._broker}>"


@final
class _Batch:
    """What is known of the messages of one batch. Safe to use from any thread.

    Mutable state: `_answers` and `_changed`, under `_lock`.
    """

    def __init__(self, size: int) -> None:
        self._lock = threading.Condition()
        self._answers: dict[int, Answer] = {}
        self._size = size
        self._lost = ""

    def answer(self, number: int, answer: Answer) -> None:
        """What has become of one."""
        with self._lock:
            self._answers.setdefault(number, answer)
            self._lock.notify_all()

    def lose(self, why: str) -> None:
        """Nothing more will be heard."""
        with self._lock:
            self._lost = self._lost or why
            self._lock.notify_all()

    def wait(self, connection: BrokerConnection) -> list[Answer]:
        """The answers, once all are there. Blocks.

        Where the connection breaks, what is known by then is kept, and the rest is answered as blocked: those messages
        may have been taken or not. Raises ConnectionFailed CF-BUS-211 where nothing at all is known.
        """
        with self._lock:
            while len(self._answers) < self._size and not self._lost and not connection.lost:
                if not self._lock.wait(ANSWER_TIMEOUT):
                    connection.close()
                    self._lost = f"no answer within {ANSWER_TIMEOUT:g} s"
            lost = self._lost or connection.lost
            if lost and not self._answers:
                raise ConnectionFailed(LINK_LOST, cause=lost)
            unknown = Answer(Outcome.BLOCKED, LINK_LOST.code, LINK_LOST.text.format(cause=lost))
            return [self._answers.get(number, unknown) for number in range(self._size)]


@final
class Outlet:
    """One sending link. For the connection's thread only.

    Mutable state: the link and what is to be sent, and what was sent, by the library's pointers.
    """

    def __init__(self, connection: BrokerConnection, address: str) -> None:
        self._connection = connection
        self._address = address
        self._link: Any = None
        self._attached = False
        self._waiting: list[tuple[bytes, _Batch, int]] = []
        self._sent: dict[Any, tuple[_Batch, int]] = {}
        self._tags = itertools.count(1)

    def send_soon(self, data: bytes, batch: _Batch, number: int) -> None:
        """Have a message sent as soon as the broker takes one; from any thread. Raises ConnectionFailed CF-BUS-211."""
        self._connection.call(lambda: self._send(data, batch, number))

    def _send(self, data: bytes, batch: _Batch, number: int) -> None:
        self._waiting.append((data, batch, number))
        if self._link is None:
            self._attach()
        else:
            self.on_flow()

    def close(self) -> None:
        """It is needed no more."""
        if self._link is not None:
            self._link.close()

    def _attach(self) -> None:
        link = self._connection.link("sender", f"to {self._address}", self)
        link.target.address = self._address
        link.snd_settle_mode = link.SND_UNSETTLED
        self._link, self._attached = link, False
        link.open()

    def on_attached(self) -> None:
        """The broker has answered; without a target it refuses, and says why next."""
        self._attached = bool(self._link.remote_target.address)

    def on_flow(self) -> None:
        """Send what there is credit for."""
        while self._attached and self._waiting and self._link.credit > 0:
            data, batch, number = self._waiting.pop(0)
            delivery = self._link.delivery(str(next(self._tags)))
            self._sent[delivery._impl] = (batch, number)
            self._link.send(data)
            self._link.advance()

    def on_delivery(self, delivery: Any) -> None:
        """The broker has said what has become of a message."""
        if not delivery.updated or not (delivery.remote_state or delivery.settled):
            return
        found = self._sent.pop(delivery._impl, None)
        if found is not None:
            batch, number = found
            batch.answer(number, self._answer(delivery))
        delivery.settle()

    def _answer(self, delivery: Any) -> Answer:
        state = delivery.remote_state
        if state == delivery.ACCEPTED:
            return ACCEPTED
        if state == delivery.REJECTED:
            return _returned(REJECTED, address=self._address, why=words_of(delivery.remote.condition))
        why = {delivery.RELEASED: "it was released", delivery.MODIFIED: "its delivery failed"}.get(
            state, "it says nothing of it"
        )
        return Answer(Outcome.BLOCKED, NOT_TAKEN.code, NOT_TAKEN.text.format(address=self._address, why=why))

    def on_ended(self, why: str) -> None:
        """The broker has ended the link, or the connection is lost. The next message attaches anew."""
        refused = not self._attached and why.split(":")[:2] not in _PASSING
        waiting, self._waiting, sent, self._sent = self._waiting, [], list(self._sent.values()), {}
        self._link, self._attached = None, False
        for batch, number in [*((batch, number) for _, batch, number in waiting), *sent]:
            if self._connection.lost:
                batch.lose(why)
            elif refused:
                batch.answer(number, _returned(ADDRESS_REFUSED, address=self._address, why=why))
            else:
                text = NOT_TAKEN.text.format(address=self._address, why=why)
                batch.answer(number, Answer(Outcome.BLOCKED, NOT_TAKEN.code, text))

    def on_turn(self) -> None:
        """Nothing waits for the end of a turn."""


def _returned(reason: Reason, **details: str) -> Answer:
    return Answer(Outcome.RETURNED, reason.code, reason.text.format(**details))


def _stored(transfer: Transfer) -> StoredMessage:
    header = transfer.header.replace(destination=transfer.destination)
    return StoredMessage(0, header, transfer.content)
