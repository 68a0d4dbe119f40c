"""Finding a broker that answers: endpoints in order, rounds with pauses in between, and why none did."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Mapping, Sequence
from typing import Final

from connector.errors import ConnectionFailed, ConnectorError, LoginRefused, Reason, SignerUnknown
from connector.spi import PasswordCredential, is_signer_unknown
from connector_amqp.redirects import Redirected, next_hop
from connector_amqp.sasl import Identification
from connector_amqp.settings import Broker, Endpoint
from connector_amqp.sign_on_refusals import NO_AMQP
from connector_amqp.wire import Wire

UNREACHABLE = Reason(
    "CF-AMQP-010",
    "no endpoint of {resource} answers: {tried}",
    "See that the broker runs and listens there; more endpoints may be listed, and connect_attempts raised.",
)
TLS_FAILED = Reason(
    "CF-AMQP-011",
    "the TLS handshake with {endpoint} failed: {why}",
    "See whether the endpoint speaks TLS, and whether its certificate is valid and has that host name.",
)
NOT_TRUSTED = Reason(
    "CF-AMQP-420",
    "the certificate of {endpoint} is not trusted by [tls.{tls}] ({why}); nothing was sent to it.",
    "Look at it and add it: connector signers retrieve {endpoint} --tls {tls}",
)
NOT_BELIEVED = Reason(
    "CF-AMQP-421",
    "{endpoint} does not let us in with the certificate of [tls.{tls}], or without one ({why}).",
    "Have it trusted there: `connector signers export --tls {tls} > client.crt` here, and where the endpoint is "
    "`connector signers add client.crt`.",
)

#: Alerts by which a server refuses a client for its certificate, as the TLS library spells them.
_ABOUT_US: Final = ("CERTIFICATE_REQUIRED", "UNKNOWN_CA", "BAD_CERTIFICATE", "CERTIFICATE_UNKNOWN", "ACCESS_DENIED")
_ABOUT_US_TOO: Final = ("CERTIFICATE_EXPIRED", "CERTIFICATE_REVOKED", "UNSUPPORTED_CERTIFICATE", "HANDSHAKE_FAILURE")

#: Seconds before the second round, and at most before a later one.
FIRST_PAUSE: Final = 0.2
LONGEST_PAUSE: Final = 10.0

#: What says more of an endpoint than that it doesn't answer.
_TELLING: Final = frozenset({TLS_FAILED.code, NOT_TRUSTED.code, NOT_BELIEVED.code, NO_AMQP.code})

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

    Raises ConnectionFailed CF-AMQP-010, or what is wrong with all of them: -011, -015, -421, SignerUnknown -420;
    LoginRefused CF-AMQP-012, SignOnError CF-AMQP-013 or -014, AccessDenied CF-AMQP-024.
    """
    tried: dict[Endpoint, ConnectionFailed] = {}
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
                tried[endpoint] = error
                _LOG.info("%s: %s does not answer: %s", broker.resource, endpoint, error.text)
    raise _in_vain(broker, tried)


def _in_vain(broker: Broker, tried: Mapping[Endpoint, ConnectionFailed]) -> ConnectionFailed:
    """The error for endpoints none of which would do: what all of them have in common, else that none answers. Pure."""
    errors = list(tried.values())
    if {error.code for error in errors} <= _TELLING and len({error.code for error in errors}) == 1:
        return errors[0]
    told = "; ".join(f"{endpoint} ({error.text})" for endpoint, error in tried.items())
    return ConnectionFailed(UNREACHABLE, resource=broker.resource, tried=told)


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
        raise _tls_error(error, endpoint, broker) from None
    except TimeoutError:
        raise ConnectionFailed(_NO_ANSWER, endpoint=endpoint, seconds=broker.connect_timeout) from None
    except OSError as error:
        raise ConnectionFailed(_NO_SOCKET, endpoint=endpoint, why=error.strerror or type(error).__name__) from None
    except UnicodeError:
        raise ConnectionFailed(_NO_SOCKET, endpoint=endpoint, why="that can't be the name of a host") from None
    finally:
        for made in wires:
            if not made.opened.done() or made.opened.cancelled() or made.opened.exception() is not None:
                made.abort("it was not opened")
                with contextlib.suppress(ConnectorError, ssl.SSLError, asyncio.CancelledError):
                    await made.opened


def _tls_error(error: ssl.SSLError, endpoint: Endpoint, broker: Broker) -> ConnectionFailed:
    """Whose certificate it is about, theirs or ours; or neither. Pure."""
    why = getattr(error, "verify_message", None) or error.reason or type(error).__name__
    details = {"endpoint": str(endpoint), "why": why, "tls": broker.tls}
    if isinstance(error, ssl.SSLCertVerificationError) and is_signer_unknown(error):
        return SignerUnknown(NOT_TRUSTED, **details)
    if "ALERT" in why and why.endswith((*_ABOUT_US, *_ABOUT_US_TOO)):
        return ConnectionFailed(NOT_BELIEVED, **details)
    return ConnectionFailed(TLS_FAILED, **details)


_NO_ANSWER = Reason("CF-AMQP-017", "{endpoint} did not answer within {seconds:g} s", "See what listens there.")
_NO_SOCKET = Reason("CF-AMQP-018", "{endpoint} can't be connected to: {why}", "See that the broker runs.")
