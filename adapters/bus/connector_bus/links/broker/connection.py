"""One connection to a broker: a thread that writes, reads, and keeps it alive (BUS-14).

::

    open() --socket, TLS, sign-on, open--> run() ... --close() or whatever goes wrong--> lost

All of AMQP happens in the thread that is in `run`; others hand it what to do with `call`. When it is lost, for whatever
reason, everybody who waits is told the same one.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import ssl
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final, Protocol, final

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason
from connector_bus.links.broker.engine import BrokerEngine
from connector_bus.links.framing import LINK_LOST
from connector_bus.links.in_process import BUS_AWAY
from connector_bus.links.network import LOGIN_TIMEOUT, connect, identification, words_of_failure
from connector_bus.links.sasl_client import sign_on
from connector_bus.links.transfer import Login
from connector_bus.settings import LinkSettings

NOT_LET_IN = Reason(
    "CF-LINK-440",
    "the broker at {endpoint} does not open the connection: {condition}",
    "See the broker's reason; the user of the link's alias needs what the broker asks for.",
)

#: What is read at once, and how often before something else is done.
_PIECE: Final = 65536
_PIECES: Final = 16
#: Seconds that saying goodbye may take.
_GOODBYE: Final = 1.0
_REFUSED: Final = frozenset({"amqp:unauthorized-access", "amqp:not-found", "amqp:not-allowed"})


class BrokerLink(Protocol):
    """What one link of the connection is told, in the connection's thread."""

    def on_attached(self) -> None:
        """The broker has answered the attach."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery."""

    def on_ended(self, why: str) -> None:
        """The broker has ended the link or its session, or the connection is lost."""

    def on_turn(self) -> None:
        """Everything that has come for now was told."""


@final
class BrokerConnection:
    """One connection, opened by `open_connection`.

    Attributes:
        endpoint: Where, as HOST:PORT.
        lost: Why it is no more; empty while it stands. Any thread may read it.
        on_lost: Told why, once, in the connection's thread; set before it runs.

    Mutable state: `_calls` and `lost`, under `_lock`; all else in the thread that runs it.
    """

    def __init__(self, connection: socket.socket, endpoint: str, container_id: str, host: str) -> None:
        self.endpoint = endpoint
        self.lost = ""
        self.on_lost: Callable[[str], None] = lambda _why: None
        self._socket = connection
        self._lock = threading.Lock()
        self._calls: deque[Callable[[], None]] = deque()
        self._wake_in, self._wake_out = socket.socketpair()
        for each in (connection, self._wake_in, self._wake_out):
            each.settimeout(0)
        self._out = bytearray()
        self._links: dict[Any, tuple[Any, BrokerLink]] = {}  # by the library's pointers, with that of the session
        self._opened = self._ended = self._has_more = False
        self._refusal: ConnectorError | None = None
        self._closing: float | None = None
        self._engine = BrokerEngine(container_id, host, self._on_event)

    # --- from any thread ----------------------------------------------------------------------------------------------

    def call(self, what: Callable[[], None]) -> None:
        """Have something done in the connection's thread; does not block. Raises ConnectionFailed CF-BUS-211."""
        with self._lock:
            if self.lost:
                raise ConnectionFailed(LINK_LOST, cause=self.lost)
            self._calls.append(what)
        self._wake()

    def close(self) -> None:
        """Say goodbye, and end; does not block. Harmless when called twice."""
        with contextlib.suppress(ConnectorError):
            self.call(self._goodbye)

    def _wake(self) -> None:
        with contextlib.suppress(OSError):  # it is awake, or gone
            self._wake_out.send(b"x")

    # --- its thread ---------------------------------------------------------------------------------------------------

    def await_open(self, deadline: float) -> None:
        """Run until the broker has opened it. Blocks until the deadline, in monotonic seconds, at most.

        Raises ConnectionFailed CF-BUS-211, LoginRefused CF-LINK-440; it is ended then.
        """
        try:
            self._run(lambda: self._opened or self._refusal is not None, deadline)
            self._require_open()
        except BaseException:
            self.end("it was not opened")
            raise

    def _require_open(self) -> None:
        if self._refusal is not None:
            raise self._refusal
        if not self._opened:
            raise ConnectionFailed(LINK_LOST, cause=self.lost or "the broker did not open it in time")

    def run(self) -> None:
        """Do everything that there is to be done until it is lost. Raises nothing of the connection's."""
        try:
            self._run(lambda: False, None)
        finally:
            self.end("it was closed")

    def link(self, kind: str, name: str, handler: BrokerLink) -> Any:
        """A link on a session of its own, not open yet; `kind` is `sender` or `receiver`."""
        session = self._engine.connection.session()
        session.open()
        made = getattr(session, kind)(name)
        self._links[made._impl] = (session._impl, handler)
        return made

    def end(self, why: str) -> None:
        """Let go of everything; for the thread that runs it. Harmless when called twice."""
        with self._lock:
            self.lost = self.lost or why
            self._calls.clear()
            if self._ended:
                return
            self._ended = True
        links, self._links = list(self._links.values()), {}
        for _, handler in links:
            handler.on_ended(self.lost)
        self.on_lost(self.lost)
        self._engine.end()
        for each in (self._socket, self._wake_in, self._wake_out):
            each.close()

    def _run(self, is_enough: Callable[[], bool], deadline: float | None) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._socket, selectors.EVENT_READ)
            selector.register(self._wake_in, selectors.EVENT_READ)
            while not self.lost and not is_enough():
                now = time.monotonic()
                if (deadline is not None and now >= deadline) or (self._closing is not None and now >= self._closing):
                    return
                self._turn()
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
                selector.modify(self._socket, wanted)
                if not is_enough():
                    selector.select(self._pause(deadline))

    def _pause(self, deadline: float | None) -> float | None:
        if self.lost or self._has_more:
            return 0.0
        now = time.monotonic()
        due = [each for each in (self._engine.tick(now), deadline, self._closing) if each]
        return max(0.0, min(due) - now) if due else None

    def _turn(self) -> None:
        """Read what is there, do what was asked for, write what there is to be written."""
        with contextlib.suppress(BlockingIOError):
            while self._wake_in.recv(_PIECE):
                pass
        self._read()
        while (call := self._next_call()) is not None:
            call()
        for _, handler in list(self._links.values()):
            handler.on_turn()
        self._write()

    def _next_call(self) -> Callable[[], None] | None:
        with self._lock:
            return self._calls.popleft() if self._calls else None

    def _read(self) -> None:
        # TLS may hold what no selector tells of: it is read until there is nothing, or others get their turn.
        self._has_more = False
        for _ in range(_PIECES):
            try:
                data = self._socket.recv(_PIECE)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(type(error).__name__)
                return
            if not data:
                self._lose(self._engine.trouble() or "the broker has closed it")
                return
            try:
                self._engine.feed(data)
            except ValueError:  # a name that is no text: the library reads it when it is asked for
                self._lose("the broker has sent a name that is no text")
                return
        self._has_more = True

    def _write(self) -> None:
        data, over = self._engine.output()
        self._out += data
        while self._out and not self.lost:
            try:
                sent = self._socket.send(bytes(self._out[:_PIECE]))
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return
            except OSError as error:
                self._lose(type(error).__name__)
                return
            del self._out[:sent]
        if over:
            self._lose(self._engine.trouble() or "it was closed")

    def _lose(self, why: str) -> None:
        with self._lock:
            self.lost = self.lost or why

    def _goodbye(self) -> None:
        self._engine.connection.close()
        self._closing = time.monotonic() + _GOODBYE

    # --- what the library tells ---------------------------------------------------------------------------------------

    def _on_event(self, name: str, event: Any) -> None:
        if name == "PN_CONNECTION_REMOTE_OPEN":
            # A broker that does not want us opens as well, only to say why it closes; that comes in the same breath.
            self._opened = not (event.connection.remote_properties or {}).get("amqp:connection-establishment-failed")
        elif name == "PN_CONNECTION_REMOTE_CLOSE":
            self._closed(event.connection)
        elif name == "PN_SESSION_REMOTE_CLOSE":
            self._session_closed(event.session)
        elif name in ("PN_LINK_REMOTE_CLOSE", "PN_LINK_REMOTE_DETACH"):
            handler = self._links.pop(event.link._impl, None)
            event.link.close()
            if handler is not None:
                handler[1].on_ended(words_of(event.link.remote_condition))
                event.session.close()
        elif name in ("PN_LINK_REMOTE_OPEN", "PN_LINK_FLOW", "PN_DELIVERY"):
            found = self._links.get(event.link._impl)
            if found is None:
                return
            if name == "PN_LINK_REMOTE_OPEN":
                found[1].on_attached()
            elif name == "PN_LINK_FLOW":
                found[1].on_flow()
            else:
                found[1].on_delivery(event.delivery)

    def _closed(self, connection: Any) -> None:
        why = words_of(connection.remote_condition)
        if not self._opened:
            name = getattr(connection.remote_condition, "name", "")
            kind = LoginRefused if name in _REFUSED else ConnectionFailed
            self._refusal = kind(NOT_LET_IN, endpoint=self.endpoint, condition=why)
        connection.close()
        self._write()
        self._lose(why)

    def _session_closed(self, session: Any) -> None:
        why = words_of(session.remote_condition)
        for key in [key for key, (owner, _) in self._links.items() if owner == session._impl]:
            self._links.pop(key)[1].on_ended(why)
        session.close()

    def __repr__(self) -> str:
        return f"<BrokerConnection to {self.endpoint}{', lost' if self.lost else ''}>"


def open_connection(
    link: LinkSettings, login: Login, contexts: Callable[[str], ssl.SSLContext], *, first: int = 0, name: str = ""
) -> tuple[BrokerConnection, int]:
    """An open connection to the first endpoint that answers, and its number; `first` is tried first. Blocks.

    Raises ConnectionFailed CF-BUS-201 with what each endpoint says, LoginRefused CF-BUS-445, -532 or CF-LINK-440.
    """
    tried, count = [], len(link.endpoints)
    for place in [(first + number) % count for number in range(count)]:
        host, port = link.endpoints[place]
        try:
            return _open(host, port, link, login, contexts, name), place
        except LoginRefused:
            raise
        except ConnectorError as error:
            tried.append(words_of_failure(error))
    raise ConnectionFailed(BUS_AWAY, to=login.to, bus=login.bus, cause="; ".join(tried))


def _open(
    host: str, port: int, link: LinkSettings, login: Login, contexts: Callable[[str], ssl.SSLContext], name: str
) -> BrokerConnection:
    endpoint, deadline = f"{host}:{port}", time.monotonic() + LOGIN_TIMEOUT
    connection = connect(host, port, link.tls, contexts, deadline)
    try:
        sign_on(connection, identification(link, login), endpoint=endpoint, host=host, deadline=deadline)
        opened = BrokerConnection(connection, endpoint, f"{login.engine}.{login.bus}{name}", host)
    except BaseException:
        connection.close()
        raise
    opened.await_open(deadline)
    return opened


def words_of(condition: Any) -> str:
    """A condition of the broker's in words, as far as they can be printed."""
    if condition is None or not condition.name:
        return "it gives no reason"
    text = f"{condition.name}: {condition.description or 'no description'}"
    return "".join(each if each.isprintable() else " " for each in text[:500])
