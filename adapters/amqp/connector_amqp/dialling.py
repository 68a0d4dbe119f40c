"""Finding a broker that answers: endpoints in order, rounds with pauses in between, and why none did."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Sequence
from typing import Final

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason
from connector.spi import PasswordCredential
from connector_amqp.redirects import Redirected, next_hop
from connector_amqp.sasl import Identification
from connector_amqp.settings import Broker, Endpoint
from connector_amqp.wire import Wire

UNREACHABLE = Reason(
    "CF-AMQP-010",
    "no endpoint of {resource} answers: {tried}",
    "See that the broker runs and listens there; more endpoints may be listed, and connect_attempts raised.",
)
TLS_FAILED = Reason(
    "CF-AMQP-011",
    "the TLS handshake with {endpoint} failed: {why}",
    "See whom [tls.{tls}] trusts: `connector signers retrieve {endpoint}`; and whether the endpoint speaks TLS.",
)

#: Seconds before the second round, and at most before a later one.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0

_LOG = logging.getLogger("connector_amqp")


def round_pause(rounds: int) -> float:
    """Seconds to pause after so many rounds in vain, at least one. Pure."""
    return float(min(FIRST_PAUSE * 2 ** min(max(rounds, 1) - 1, 16), LONGEST_PAUSE))


async def dial(
    broker: Broker,
    credential: PasswordCredential | None,
    *,
    external: bool,
    container_id: str,
    tls: ssl.SSLContext | None,
    alternatives: Sequence[Endpoint] = (),
) -> Wire:
    """An opened connection to the first endpoint that answers, or to where it sends us.

    A refusal ends it at once: the next endpoint is of the same broker, and wrong passwords lock accounts.

    Args:
        broker: Where.
        credential: Who signs on; None for nobody.
        external: Whether nobody means whom the certificate says.
        container_id: Our name.
        tls: The TLS context, for a broker that has one.
        alternatives: Where else the broker has said that it is served; tried after its endpoints.

    Raises ConnectionFailed CF-AMQP-010, LoginRefused CF-AMQP-012, SignOnError CF-AMQP-013 or -014, AccessDenied
    CF-AMQP-024.
    """
    tried: list[str] = []
    for rounds in range(broker.connect_attempts):
        if rounds:
            await asyncio.sleep(round_pause(rounds))
        tried.clear()
        who = Identification(
            credential, external, tls is not None or broker.allow_plain_passwords, broker.virtual_host or ""
        )
        for endpoint in dict.fromkeys((*broker.endpoints, *alternatives)):
            try:
                return await _follow(endpoint, broker, who, container_id, tls)
            except LoginRefused:
                raise
            except ConnectionFailed as error:
                tried.append(f"{endpoint} ({error.text})")
                _LOG.info("%s: %s does not answer: %s", broker.resource, endpoint, error.text)
    raise ConnectionFailed(UNREACHABLE, resource=broker.resource, tried="; ".join(tried))


async def _follow(
    first: Endpoint, broker: Broker, who: Identification, container_id: str, tls: ssl.SSLContext | None
) -> Wire:
    """Go where the endpoint sends us. Where nobody answers there it is asked again, for it may know of others."""
    dead: set[Endpoint] = set()
    while True:
        trail, virtual_host = [first], broker.virtual_host
        try:
            while True:
                try:
                    return await _connect(trail[-1], broker, who, container_id, tls, virtual_host)
                except Redirected as sent:
                    _LOG.info("%s: %s", broker.resource, sent.text)
                    trail.append(next_hop(broker.resource, trail, sent.redirect, secured=tls is not None))
                    # What the deployer names is meant; else what the broker says.
                    virtual_host = broker.virtual_host or sent.redirect.hostname
        except LoginRefused:
            raise
        except ConnectionFailed as error:
            if len(trail) == 1 or trail[-1] in dead:
                raise
            dead.add(trail[-1])
            _LOG.info("%s: %s, where %s sends us, does not answer: %s", broker.resource, trail[-1], first, error.text)


async def _connect(
    endpoint: Endpoint,
    broker: Broker,
    who: Identification,
    container_id: str,
    tls: ssl.SSLContext | None,
    virtual_host: str | None,
) -> Wire:
    loop = asyncio.get_running_loop()
    wires: list[Wire] = []

    def wire() -> Wire:
        wires.append(Wire(str(endpoint), who, container_id, virtual_host, broker.idle_timeout, broker.target_chain))
        return wires[0]

    host = endpoint.host if tls is not None else None
    try:
        async with asyncio.timeout(broker.connect_timeout):
            await loop.create_connection(wire, endpoint.host, endpoint.port, ssl=tls, server_hostname=host)
            await wires[0].opened
        return wires[0]
    except ConnectorError:
        raise
    except ssl.SSLError as error:
        why = getattr(error, "verify_message", None) or error.reason or type(error).__name__
        raise ConnectionFailed(TLS_FAILED, endpoint=endpoint, why=why, tls=broker.tls) from None
    except TimeoutError:
        raise ConnectionFailed(_NO_ANSWER, endpoint=endpoint, seconds=broker.connect_timeout) from None
    except OSError as error:
        raise ConnectionFailed(_NO_SOCKET, endpoint=endpoint, why=error.strerror or type(error).__name__) from None
    finally:
        for made in wires:
            if not made.opened.done() or made.opened.cancelled() or made.opened.exception() is not None:
                made.abort("it was not opened")
                with contextlib.suppress(ConnectorError, asyncio.CancelledError):
                    await made.opened


_NO_ANSWER = Reason("CF-AMQP-017", "{endpoint} did not answer within {seconds:g} s", "See what listens there.")
_NO_SOCKET = Reason("CF-AMQP-018", "{endpoint} can't be connected to: {why}", "See that the broker runs.")
