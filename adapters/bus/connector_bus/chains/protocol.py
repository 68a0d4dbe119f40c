"""One client's socket: first who it is, then AMQP; with a limit for who doesn't say.

What the client says goes to one `Stage` after the other: `SigningOn`, then `AmqpClient`, or `LinkClient` for an engine
of another bus. What is said to it goes through its `Outlet`.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable
from typing import Any, final

from connector.spi import Subject
from connector_bus.chains.amqp_client import AmqpClient
from connector_bus.chains.chain_service import ChainService
from connector_bus.chains.link_client import LinkClient
from connector_bus.chains.outlet import Outlet
from connector_bus.chains.signing_on import SigningOn
from connector_bus.chains.stage import Stage
from connector_bus.links.network import LINK_HEADER

_LOG = logging.getLogger("connector_bus.chains")


@final
class ClientProtocol(asyncio.BufferedProtocol):
    """One connection of a chain. For the chain's loop only.

    Args:
        service: What serves the clients of the chain.
        gone: Told when the connection has ended.

    Attributes:
        stage: What takes what the client says; None before there is a client, and where it is one too many.

    Mutable state: `stage`; `_address`, and `_login`, the limit for who doesn't say who it is, both set once; whether it
    `_was_refused`.
    """

    def __init__(self, service: ChainService, gone: Callable[[ClientProtocol], None]) -> None:
        self._service = service
        self._gone = gone
        self._loop = asyncio.get_running_loop()
        self._outlet = Outlet(self._loop)
        self._incoming = service.crowd.incoming
        self._address: str | None = None
        self._login: asyncio.TimerHandle | None = None
        self._was_refused = False
        self.stage: Stage | None = None

    # --- asyncio ------------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there; under TLS, its handshake is done."""
        assert isinstance(transport, asyncio.Transport)
        chain = self._service.chain
        self._outlet.transport = transport
        address = str((transport.get_extra_info("peername") or ("",))[0])
        if not self._service.crowd.come(address):
            _LOG.warning("chain %s has too many clients of %s and takes no more", chain.name, address)
            transport.close()
            return
        self._address = address
        secured = transport.get_extra_info("ssl_object")
        certificate = None if secured is None else secured.getpeercert(binary_form=True)
        external = chain.certificate_user(_common_name(secured), certificate)
        self._login = self._loop.call_later(chain.login_timeout, self._too_late)
        signing_on = SigningOn(self._service, self._outlet, address, external, self._refused, self._signed_on)
        self.stage = signing_on
        signing_on.begin()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Where to what comes next; taken out before anything else comes for any client."""
        return self._incoming

    def buffer_updated(self, nbytes: int) -> None:
        """So many bytes came."""
        self.data_received(bytes(self._incoming[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Something came."""
        if self.stage is not None and not self._outlet.ended:
            self.stage.feed(data)

    def eof_received(self) -> bool:
        """The client has ended its side: so do we, once what it has said before the offer is answered."""
        stage, transport = self.stage, self._outlet.transport
        if not isinstance(stage, SigningOn) or transport is None:
            return False
        # TLS knows no half of a connection.
        return transport.get_extra_info("ssl_object") is None and stage.hear_the_end()

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over; what was out at the client goes back."""
        if self._login is not None:
            self._login.cancel()
        self._outlet.expect_no_more()
        if self.stage is not None:
            self.stage.end()
        self._outlet.lose()
        if self._address is not None:
            self._service.crowd.go(self._address)
        self._gone(self)

    def pause_writing(self) -> None:
        """The client doesn't read."""
        self._outlet.paused = True

    def resume_writing(self) -> None:
        """It reads again."""
        self._outlet.resume()

    # --- the server's end ---------------------------------------------------------------------------------------------

    @property
    def is_quiet(self) -> bool:
        """Whether nothing is on its way, in or out."""
        return self.stage is None or not self.stage.is_busy

    def drain(self) -> None:
        """The server stops: begin nothing new, so that what is under way can end."""
        if self.stage is not None:
            self.stage.stop()

    def close(self, reason: str) -> None:
        """End it from our side, saying why where the client can hear it."""
        if self.stage is not None and self._outlet.transport is not None:
            self.stage.say_goodbye(reason)
        self._outlet.close()

    def abort(self) -> None:
        """End it at once, whatever there is to be written or read."""
        self._outlet.abort()

    # --- from one stage to the next -----------------------------------------------------------------------------------

    def _signed_on(self, subject: Subject, by_certificate: bool, rest: bytes) -> None:
        transport, service = self._outlet.transport, self._service
        assert transport is not None, "somebody has just sent something"
        if not rest.startswith(LINK_HEADER):
            self.stage = AmqpClient(service, self._outlet, subject, self._refused)
            self.stage.feed(rest)
            return
        self.stage = LinkClient(
            transport,
            subject,
            service.admission,
            service.crowd,
            service.linking,
            by_certificate=by_certificate,
        )
        rest = rest[len(LINK_HEADER) :]
        if rest:
            self.stage.feed(rest)

    def _refused(self, why: str) -> None:
        """It is not let in; the first reason counts."""
        if not self._was_refused:
            self._was_refused = True
            self._service.crowd.refused[why] += 1

    def _too_late(self) -> None:
        if self.stage is not None and not self.stage.is_open:
            self._refused("time")
            self.close("No connection was opened in time.")


def _common_name(secured: ssl.SSLObject | None) -> str | None:
    """Whom a client's certificate names; None without one that was verified."""
    certificate: dict[str, Any] = (secured.getpeercert() if secured is not None else None) or {}
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    return str(names[0]) if names else None
