"""The receiving end of a link to a broker: messages of its queues come to destinations of this bus (BUS-9, BUS-14).

A message is stored here first, and accepted there then: what breaks in between comes again, at least once. Whose it is
on this bus is the link's inbound user, or nobody; what the broker, or whoever sent it, says of that counts for nothing.
What may not be delivered goes to an exception destination of this bus, as what comes over any link; where there is no
place, or nowhere to put it, it stays at the broker.
"""

from __future__ import annotations

import logging
import ssl
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, final

from connector.errors import ConnectorError, MessagingError, Reason
from connector.spi import AuthenticationData, Clock
from connector_bus.chains.message_codec import decoded_of_broker
from connector_bus.engine.consumer import outage_pause
from connector_bus.engine.ways_out import AT
from connector_bus.links.broker.connection import BrokerConnection, open_connection
from connector_bus.links.receiver import LinkReceiver
from connector_bus.links.transfer import Login, Outcome, Transfer
from connector_bus.reliability import Reliability
from connector_bus.settings import LinkSettings
from connector_bus.store.content import Content

SOURCE_ENDED = Reason(
    "CF-LINK-445",
    "the broker gives nothing of {address}: {why}",
    "Correct the name, have the queue made there, or give the user of the link's alias the right to read there.",
)
NO_PLACE = Reason(
    "CF-LINK-446",
    "a message of {address} can't be taken now: {why}",
    "It stays at the broker, and comes again by itself.",
)
TOO_LARGE = Reason(
    "CF-LINK-447",
    "a message of {address} is larger than {limit} bytes",
    "It was rejected at the broker, which knows what becomes of such messages.",
)

#: How many messages a source may have out at once.
CREDIT: Final = 64
#: Bytes of one message.
MAX_MESSAGE: Final = 100 * 1024 * 1024

_LOG = logging.getLogger("connector_bus.links")


@dataclass(frozen=True, slots=True)
class InletState:
    """How it is.

    Attributes:
        state: `stopped`, `connected` or `retrying`.
        code, text: Why it is retrying.
        endpoint: Where the broker is connected to; empty where it isn't.
        received: How many messages have come since the start.
        retry_in: Seconds until it tries again; None where it waits for nothing.
    """

    state: str
    code: str = ""
    text: str = ""
    endpoint: str = ""
    received: int = 0
    retry_in: float | None = None


@dataclass(frozen=True, slots=True)
class _Broker:
    """Who has sent something: never authenticated, as far as identities go."""

    peer: str
    authenticated: bool = False


@final
class BrokerInlet:
    """Receives what one link has to receive, on a thread and a connection of its own. Safe to use from any thread.

    Args:
        bus: This bus.
        broker: The name that this bus has for it.
        link: The link.
        name: This engine's name.
        receiver: Stores what comes.
        contexts: The client's TLS context by its name; asked for each connection.
        authentication_data: User and password of an alias; asked for each connection.
        clock: Tells the time.

    Mutable state: `_state`, `_connection`, `_retry_at`, `received`, under `_lock`; `_thread`, set by `start`.
    """

    def __init__(
        self,
        bus: str,
        broker: str,
        link: LinkSettings,
        *,
        name: str,
        receiver: LinkReceiver,
        contexts: Callable[[str], ssl.SSLContext],
        authentication_data: Callable[[str], AuthenticationData],
        clock: Clock,
    ) -> None:
        self._bus, self._broker, self._link, self._name = bus, broker, link, name
        self._receiver = receiver
        self._contexts = contexts
        self._authentication_data = authentication_data
        self._clock = clock
        self._lock = threading.Lock()
        self._state = InletState("stopped")
        self._retry_at = 0.0
        self._received = 0
        self._connection: BrokerConnection | None = None
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._preferred = 0

    def start(self) -> None:
        """Begin. Does not block."""
        self._thread = threading.Thread(target=self._run, name=f"bus-inlet-{self._broker}", daemon=True)
        self._thread.start()

    def stop(self, grace: float) -> None:
        """End; what is being stored is, and accepted. Blocks for at most `grace` seconds. Harmless if called twice."""
        with self._lock:
            self._stopping.set()
            connection = self._connection
        if connection is not None:
            connection.close()
        if self._thread is not None:
            self._thread.join(grace)

    def state(self) -> InletState:
        """How it is. Does not block."""
        with self._lock:
            now = self._state
            waits = max(0.0, self._retry_at - self._clock.monotonic()) if now.state == "retrying" else None
            return InletState(now.state, now.code, now.text, now.endpoint, self._received, waits)

    def counted(self, messages: int) -> None:
        """So many messages were stored."""
        with self._lock:
            self._received += messages

    def _run(self) -> None:
        failures = 0
        while not self._stopping.is_set():
            try:
                opened = self._open()
                before = self._received
                failed = self._serve(opened)
                failures = 0 if self._received > before else failures
            except ConnectorError as error:
                failed = error
            if self._stopping.is_set():
                break
            failures += 1
            self._pause(outage_pause(failures), failed)
        with self._lock:
            self._state = InletState("stopped")

    def _open(self) -> BrokerConnection:
        alias = self._link.alias
        data = None if alias is None else self._authentication_data(alias)
        user, password = (None, None) if data is None else (data.user, data.password)
        login = Login(self._bus, self._name, self._broker, user, password)
        opened, self._preferred = open_connection(self._link, login, self._contexts, first=self._preferred, name=".in")
        return opened

    def _serve(self, connection: BrokerConnection) -> ConnectorError | None:
        """Receive until the connection is lost; answers why, where one of our own errors says so."""
        with self._lock:
            self._connection = connection
            if self._stopping.is_set():
                connection.close()
            self._state = InletState("connected", endpoint=connection.endpoint)
        sources = [
            _Source(connection, self, self._receiver, _Broker(self._broker), address, to)
            for address, to in self._link.receive.items()
        ]
        for source in sources:
            source.attach()
        connection.run()
        with self._lock:
            self._connection = None
        failed = next((each.failed for each in sources if each.failed is not None), None)
        return failed or MessagingError(SOURCE_ENDED, address=", ".join(self._link.receive), why=connection.lost)

    def _pause(self, seconds: float, why: ConnectorError | None) -> None:
        code, text = ("", "") if why is None else (why.code, why.text)
        with self._lock:
            self._state = InletState("retrying", code, text)
            self._retry_at = self._clock.monotonic() + seconds
        _LOG.warning("bus %s: receiving from %s waits for %.0f s: %s %s", self._bus, self._broker, seconds, code, text)
        self._stopping.wait(seconds)

    @property
    def link(self) -> LinkSettings:
        """The link."""
        return self._link

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self._clock.time()

    @property
    def bus(self) -> str:
        """This bus."""
        return self._bus

    def __repr__(self) -> str:
        return f"<BrokerInlet from {self._broker}>"


@final
class _Source:
    """One receiving link. For the connection's thread only.

    Mutable state: the message that is coming in, and those that came in this turn; `failed`, why it has ended all.
    """

    def __init__(
        self,
        connection: BrokerConnection,
        inlet: BrokerInlet,
        receiver: LinkReceiver,
        broker: _Broker,
        address: str,
        to: str,
    ) -> None:
        self._connection = connection
        self._inlet = inlet
        self._receiver = receiver
        self._broker = broker
        self._address = address
        self._to = to
        self._link: Any = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._came: list[tuple[Any, bytes]] = []
        self.failed: ConnectorError | None = None

    def attach(self) -> None:
        """Ask for what there is."""
        self._link = self._connection.link("receiver", f"from {self._address}", self)
        self._link.source.address = self._address
        self._link.target.address = self._to
        self._link.rcv_settle_mode = self._link.RCV_FIRST
        self._link.open()

    def on_attached(self) -> None:
        """The broker has answered; without a source it refuses, and says why next."""
        if self._link.remote_source.address:
            self._link.flow(CREDIT)

    def on_flow(self) -> None:
        """Nothing that is of interest here."""

    def on_ended(self, why: str) -> None:
        """Without this source the connection begins anew, after a pause."""
        if not self._connection.lost:
            self._fail(MessagingError(SOURCE_ENDED, address=self._address, why=why))

    def on_delivery(self, delivery: Any) -> None:
        """Take a piece of a message; with the last one, the message."""
        if delivery.aborted:
            self._pieces, self._size = [], 0
            delivery.settle()
            self._link.flow(1)
            return
        if not delivery.readable or self.failed is not None:
            return
        piece = self._link.recv(delivery.pending)
        self._size += len(piece or b"")
        if piece and self._size <= MAX_MESSAGE:
            self._pieces.append(bytes(piece))
        elif self._size > MAX_MESSAGE:
            self._pieces.clear()
        if delivery.partial:
            return
        self._link.advance()
        data, size = b"".join(self._pieces), self._size
        self._pieces, self._size = [], 0
        if size > MAX_MESSAGE:
            _LOG.warning("%s", TOO_LARGE.text.format(address=self._address, limit=MAX_MESSAGE))
            self._settle(delivery, delivery.REJECTED)
        else:
            self._came.append((delivery, data))

    def on_turn(self) -> None:
        """Store what has come, and accept it."""
        while self._came and self.failed is None:
            batch = []
            for delivery, data in self._came:
                try:
                    batch.append((delivery, self._transfer(data)))
                except ConnectorError as error:
                    _LOG.warning("a message of %s is rejected: %s", self._address, error)
                    self._settle(delivery, delivery.REJECTED)
            self._came = []
            self._take(batch)

    def _take(self, batch: list[tuple[Any, Transfer]]) -> None:
        while batch:
            try:
                answers = self._receiver.take_first(self._broker, [each for _, each in batch], wait=False, divert=False)
            except ConnectorError as error:
                self._leave(batch, error)
                return
            for (delivery, _), answer in zip(batch, answers, strict=False):
                if answer.outcome is Outcome.BLOCKED:
                    blocked = MessagingError(NO_PLACE, address=self._address, why=f"{answer.code}: {answer.text}")
                    self._leave(batch, blocked)
                    return
                self._settle(delivery, delivery.ACCEPTED)
            self._inlet.counted(len(answers))
            batch = batch[len(answers) :]

    def _leave(self, batch: list[tuple[Any, Transfer]], why: ConnectorError) -> None:
        """They stay at the broker, in their place; the connection ends, and begins anew after a pause."""
        for delivery, _ in batch:
            delivery.update(delivery.RELEASED)
            delivery.settle()
        self._fail(why)

    def _fail(self, why: ConnectorError) -> None:
        self.failed = self.failed or why
        self._connection.close()

    def _settle(self, delivery: Any, outcome: Any) -> None:
        delivery.update(outcome)
        delivery.settle()
        self._link.flow(1)

    def _transfer(self, data: bytes) -> Transfer:
        """Raises MessagingError for what is no message."""
        message = decoded_of_broker(data, self._inlet.now)
        body = message.body
        assert isinstance(body, Content), "the codec keeps the bytes"
        reply_to = None if message.reply_to is None else f"{message.reply_to}{AT}{self._broker.peer}"
        header = message.replace(
            body=None,
            reply_to=reply_to,
            destination=self._to,
            identity=None,
            message_id=message.message_id or f"ID:{uuid.uuid4()}",
            timestamp=self._inlet.now,
        )
        reliability = Reliability.ASSURED if message.persistent else Reliability.EXPRESS
        return Transfer("", self._inlet.bus, self._to, header, body, reliability=reliability)
