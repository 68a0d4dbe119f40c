r"""One connection to a broker: its socket, the sign-on, the engine; whose events are whose is `wire_links`'.

::

    connected --SASL--> signed on --open, open--> opened --...--> lost
         \------------------ whatever goes wrong ---------------/

`lost` is the end, for whatever reason; all who wait are told the same one.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, final

from connector.errors import ConnectionFailed, ConnectorError
from connector_amqp.engine import ClientEngine
from connector_amqp.redirects import Redirected, redirect_of
from connector_amqp.refusals import Condition, condition_of, lost, refused_open
from connector_amqp.sasl import Identification, SaslClient, SaslState
from connector_amqp.sign_on_refusals import NO_AMQP, refused_sign_on
from connector_amqp.wire_links import WireLink, WireLinks

#: Said by a broker that opens the connection only to say why it closes it.
_FAILED: Final = "amqp:connection-establishment-failed"
#: Seconds that a broker may take to answer our close.
CLOSE_TIMEOUT: Final = 1.0
#: Enough for any credit that is given here: more than this a session does not take in at once.
SESSION_CAPACITY: Final = 64 * 1024 * 1024


@final
class Wire(asyncio.Protocol):
    """One connection. For the adapter's loop only, but for `lost_because`, which any thread may read.

    Args:
        broker: The endpoint, as text, for errors.
        who: Who we say that we are.
        container_id: Our name to the broker.
        virtual_host: What of the broker is meant.
        idle_timeout: Seconds after which a silent broker is taken for dead.
        target_chain: The chain over which we want an engine of ours, for a server that only knows where it is.

    Attributes:
        broker: See above.
        opened: Done when the broker has opened the connection, or with why it did not.
        lost_because: Why it is no more; None while it stands.
        seen: When something last came, in seconds of `time.monotonic`.
        on_lost: Called once when it is lost.
    """

    def __init__(
        self,
        broker: str,
        who: Identification,
        container_id: str,
        virtual_host: str | None,
        idle_timeout: float,
        target_chain: str | None = None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.broker = broker
        self._who = who
        self._names = (container_id, virtual_host, idle_timeout)
        self._target_chain = target_chain
        self.opened: asyncio.Future[None] = self._loop.create_future()
        self.lost_because: str | None = None
        self.seen = time.monotonic()
        self.on_lost: Callable[[ConnectorError], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._sasl: SaslClient | None = SaslClient(who)
        self._engine: ClientEngine | None = None
        self._peer: dict[str, Any] | None = None  # what the broker says of itself, once it was read
        self._gone = self._loop.create_future()
        self._links = WireLinks()
        self._timer: asyncio.TimerHandle | None = None
        self._paused = False
        self._flushing = False
        self._condition: Condition | None = None
        self._numbers = 0

    # --- what its users do --------------------------------------------------------------------------------------------

    @property
    def peer_properties(self) -> dict[str, Any]:
        """What the broker says of itself. Read once, when the connection has been opened: the library reads it with a
        cursor that all readers share, and a second thread would find nothing, not even that the broker is an engine.
        """
        if self._peer is None and self._engine is not None:
            found = self._engine.connection.remote_properties
            self._peer = {str(name): value for name, value in (found or {}).items()}
        return self._peer or {}

    @property
    def offers_relay(self) -> bool:
        """Whether the broker takes messages on a link without a target, each with its own."""
        found = None if self._engine is None else self._engine.connection.remote_offered_capabilities
        return any(str(name) == "ANONYMOUS-RELAY" for name in (found or ()))

    @property
    def has_link_control(self) -> bool:
        """Whether the broker does what it says of draining, browsing and selecting.

        RabbitMQ's plugin for AMQP 1.0, in its versions 3, doesn't: a queue that is asked to drain while it is empty
        ends the session; distribution mode and filter are echoed as if they were heeded, and everything is given.
        """
        known = self.peer_properties
        return not (known.get("product") == "RabbitMQ" and str(known.get("version", "")).startswith("3."))

    @property
    def signed_on(self) -> tuple[str | None, bool]:
        """Who is signed on: the user, and whether it is whom the certificate says."""
        return self._user, self._who.external and self._who.credential is None

    def error(self) -> ConnectorError:
        """Why it is no more, as an error."""
        return lost(self.broker, self.lost_because or "it was closed")

    def new_session(self) -> Any:
        """A session, opened. Raises ConnectionFailed CF-AMQP-023."""
        if self._engine is None or self.lost_because is not None:
            raise self.error()
        session = self._engine.connection.session()
        session.incoming_capacity = SESSION_CAPACITY
        session.open()
        return session

    def new_name(self) -> str:
        """A name that no other link of this connection has."""
        self._numbers += 1
        return f"{self._names[0]}.{self._numbers}"

    def add(self, link: Any, handler: WireLink) -> None:
        """Tell a link's events to this handler from now on."""
        self._links.add(link, handler)

    async def ping(self) -> None:
        """One round trip: a session begins and ends. Raises ConnectionFailed CF-AMQP-023."""
        answered = self._links.ping(self.new_session())
        self.flush()
        await answered

    def flush(self) -> None:
        """Write what the engine has to say, at the end of this turn of the loop."""
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    async def close(self) -> None:
        """Say goodbye and end; waits at most a second. Harmless when called twice."""
        if self.lost_because is None and self._engine is not None:
            self._engine.connection.close()
            self.flush()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await asyncio.shield(self._gone)
        self._lose("it was closed")
        if self._transport is not None:
            self._transport.abort()

    def abort(self, why: str) -> None:
        """End without a word."""
        self._lose(why)
        if self._transport is not None:
            self._transport.abort()

    # --- asyncio.Protocol ---------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the sign-on."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        assert self._sasl is not None
        transport.write(self._sasl.start())

    def data_received(self, data: bytes) -> None:
        """Take what came."""
        self.seen = time.monotonic()
        if self._sasl is not None:
            self._sign_on(self._sasl, data)
        else:
            self._feed(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is closed."""
        if isinstance(exc, ssl.SSLError) and not self.opened.done():
            self.opened.set_exception(exc)  # an alert: with TLS 1.3 it comes after our side of the handshake is done
        why = "the broker has closed it" if exc is None else str(exc) or type(exc).__name__
        self._lose(why)
        if not self._gone.done():
            self._gone.set_result(None)

    def pause_writing(self) -> None:
        """The socket does not keep up: what is to be written waits in the engine."""
        self._paused = True

    def resume_writing(self) -> None:
        """It goes on."""
        self._paused = False
        self.flush()

    # --- sign-on ------------------------------------------------------------------------------------------------------

    def _sign_on(self, sasl: SaslClient, data: bytes) -> None:
        out = sasl.feed(data)
        if out and self._transport is not None:
            self._transport.write(out)
        if sasl.state is SaslState.FAILED:
            self._refuse(refused_sign_on(self.broker, self._who, sasl))
        elif sasl.state is SaslState.AMQP:
            self._sasl = None
            self._engine = ClientEngine(*self._names, self._on_event, self._target_chain)
            self._engine.connection.open()
            self._feed(sasl.rest)

    def _refuse(self, error: ConnectorError) -> None:
        if not self.opened.done():
            self.opened.set_exception(error)
        self.abort(error.text)

    # --- AMQP ---------------------------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        if self._engine is None:
            return
        try:
            self._engine.feed(data)
            self._engine.tell()
        except ValueError as error:  # a name that is no text: the library reads it when it is asked for
            self.abort(f"a frame that could not be read ({type(error).__name__})")
            return
        self.flush()

    def _flush(self) -> None:
        self._flushing = False
        engine, transport = self._engine, self._transport
        if engine is None or transport is None or self._paused or self.lost_because is not None:
            return
        trouble = engine.trouble()
        data, over = engine.output()
        if data:
            transport.write(data)
        engine.tell()
        if over:
            condition = self._condition
            self._lose(trouble or (f"{condition.name}: {condition.description}" if condition else "it has ended"))
            transport.close()
        else:
            self._tick()

    def _tick(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._engine is None:
            return
        now = time.monotonic()
        due = self._engine.tick(now)
        if due:
            self._timer = self._loop.call_later(max(0.01, due - now), self._on_time)

    def _on_time(self) -> None:
        self._tick()
        if self._engine is not None:
            self._engine.tell()
        self.flush()

    def _lose(self, why: str) -> None:
        if self.lost_because is not None:
            return
        self.lost_because = why
        if self._timer is not None:
            self._timer.cancel()
        self._links.lose(self.error())
        if not self.opened.done():
            unasked = self._condition
            error = None if unasked is None else refused_open(self.broker, self._user, unasked)
            self.opened.set_exception(error or ConnectionFailed(NO_AMQP, broker=self.broker, why=why))
        if self.on_lost is not None:
            self.on_lost(self.error())
        if self._engine is not None:
            # Not now: this may be an event of the very engine that is to end.
            self._loop.call_soon(self._engine.end)

    @property
    def _user(self) -> str | None:
        return None if self._who.credential is None else self._who.credential.user

    def _on_event(self, name: str, event: Any) -> None:
        if self.lost_because is not None:
            return
        if name == "PN_CONNECTION_REMOTE_OPEN":
            refused = self.peer_properties.get(_FAILED)
            if not refused and not self.opened.done():
                self.opened.set_result(None)
        elif name == "PN_CONNECTION_REMOTE_CLOSE":
            self._on_close(event.connection)
        else:
            self._links.on_event(name, event)

    def _on_close(self, connection: Any) -> None:
        self._condition = condition_of(connection.remote_condition) or self._condition
        condition = self._condition
        connection.close()
        if not self.opened.done() and condition is not None:
            redirect = redirect_of(condition)
            refused = refused_open(self.broker, self._user, condition)
            self._refuse(refused if redirect is None else Redirected(self.broker, redirect))
        else:
            self.flush()

    def __repr__(self) -> str:
        return f"<Wire to {self.broker}{'' if self.lost_because is None else ', lost'}>"
