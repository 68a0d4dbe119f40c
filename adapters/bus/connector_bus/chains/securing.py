"""Before a connection is a client's: its TLS handshake, and the end of those who are too many."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Final, final

from connector_bus.chains.crowd import Crowd
from connector_bus.chains.protocol import ClientProtocol
from connector_bus.chains.tls_alert import telling

_LOG = logging.getLogger("connector_bus.chains")

#: Seconds that a TLS handshake may take.
HANDSHAKE_TIMEOUT: Final = 10.0

#: The server's TLS context in force, by the name of the configuration.
Contexts = Callable[[str], ssl.SSLContext]


@final
class TurnedAway(asyncio.Protocol):
    """For whoever is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hang up."""
        transport.close()


@final
class Securing(asyncio.Protocol):
    """Begins TLS with the context that is in force now, and gives the connection to whom it is for."""

    def __init__(
        self,
        tls: str,
        client: Callable[[], ClientProtocol],
        contexts: Contexts,
        handshakes: set[asyncio.Task[None]],
        crowd: Crowd,
    ) -> None:
        self._tls = tls
        self._client = client
        self._contexts = contexts
        self._handshakes = handshakes
        self._crowd = crowd

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there: nothing is read of it but its handshake."""
        assert isinstance(transport, asyncio.Transport)
        transport.pause_reading()
        task = asyncio.ensure_future(self._secure(transport))
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _secure(self, transport: asyncio.Transport) -> None:
        loop = asyncio.get_running_loop()
        waiting = _Waiting()
        try:
            secured = await loop.start_tls(
                transport,
                waiting,
                telling(self._contexts(self._tls)),
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT,
            )
        except (OSError, ssl.SSLError) as error:
            self._crowd.refused["tls"] += 1
            if not isinstance(error, ConnectionResetError):  # that of one who hangs up, after an alert for example
                _LOG.info("a client's TLS handshake failed: %s", getattr(error, "reason", None) or type(error).__name__)
            transport.close()
            return
        if secured is None or waiting.lost:
            return
        client = self._client()
        secured.set_protocol(client)
        client.connection_made(secured)
        if waiting.early:
            client.data_received(b"".join(waiting.early))


@final
class _Waiting(asyncio.Protocol):
    """Between the handshake and the client's own protocol: nothing that comes may be lost."""

    def __init__(self) -> None:
        self.early: list[bytes] = []
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
