"""Being sent elsewhere: where a broker sends its clients, and whether that is followed (CHAIN-1, CHAIN-8). Pure.

A broker that is there to find others ends the open with `amqp:connection:redirect`, and any may tell its clients where
else it is served (`failover-server-list`). Followed is what keeps TLS: never from TLS to plain text, whoever says so,
and not from plain text to TLS without a configuration that says who is trusted; at most `MAX_HOPS` times, and nowhere
twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from connector.errors import ConnectionFailed, Reason
from connector_amqp.refusals import Condition
from connector_amqp.settings import Endpoint

SENT_ON = Reason("CF-AMQP-460", "{broker} sends its clients to {to}", "Name that endpoint, where this is not followed.")
SENT_ROUND = Reason(
    "CF-AMQP-461",
    "{resource} was sent from one server to the next, at last to {to}: {trail}",
    "Correct where these servers send their clients.",
)
SENT_TO_PLAIN_TEXT = Reason(
    "CF-AMQP-462",
    "{resource} was sent from a connection with TLS to {to}, which is in plain text; nothing was sent there",
    "Have the server send its clients to a chain with TLS.",
)
SENT_TO_TLS = Reason(
    "CF-AMQP-463",
    "{resource} was sent to {to}, which needs TLS, and names no TLS configuration",
    "Name one with tls = NAME, which trusts the server.",
)

REDIRECT: Final = "amqp:connection:redirect"
#: How often one attempt to connect is sent on.
MAX_HOPS: Final = 5
#: How many other places of a broker are remembered.
MAX_ALTERNATIVES: Final = 16
_FAILOVER: Final = "failover-server-list"


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a broker sends a client.

    Attributes:
        endpoint: Where.
        scheme: `amqp` or `amqps`; empty where the broker does not say.
        hostname: What is to be named in the open there; None where the broker does not say.
    """

    endpoint: Endpoint
    scheme: str
    hostname: str | None

    def __str__(self) -> str:
        return f"{self.scheme}://{self.endpoint}" if self.scheme else str(self.endpoint)


class Redirected(ConnectionFailed):
    """The broker has sent us elsewhere instead of opening the connection.

    Attributes:
        redirect: Where.
    """

    def __init__(self, broker: str, redirect: Redirect) -> None:
        super().__init__(SENT_ON, broker=broker, to=str(redirect))
        self.redirect = redirect


def redirect_of(condition: Condition) -> Redirect | None:
    """Where a condition sends us; None where it does not, or not to any place that there could be."""
    return _read(condition.info) if condition.name == REDIRECT else None


def next_hop(resource: str, trail: Sequence[Endpoint], redirect: Redirect, *, secured: bool) -> Endpoint:
    """Where to go on.

    Args:
        resource: For errors.
        trail: Where we have been, in order.
        redirect: Where we are sent.
        secured: Whether the resource has a TLS configuration.

    Raises ConnectionFailed CF-AMQP-461 to -463 where that is not followed.
    """
    if secured and redirect.scheme == "amqp":
        raise ConnectionFailed(SENT_TO_PLAIN_TEXT, resource=resource, to=str(redirect))
    if not secured and redirect.scheme == "amqps":
        raise ConnectionFailed(SENT_TO_TLS, resource=resource, to=str(redirect))
    if redirect.endpoint in trail or len(trail) > MAX_HOPS:
        shown = ", ".join(map(str, trail))
        raise ConnectionFailed(SENT_ROUND, resource=resource, to=str(redirect), trail=shown)
    return redirect.endpoint


def alternatives_of(properties: Mapping[str, Any], *, secured: bool) -> tuple[Endpoint, ...]:
    """Where else a broker is served, as it says in its open: the places that have TLS just where this one has."""
    listed = properties.get(_FAILOVER)
    found: list[Endpoint] = []
    for each in listed if isinstance(listed, list | tuple) else ():
        place = _read({str(key): value for key, value in each.items()}) if isinstance(each, Mapping) else None
        if place is None or place.endpoint in found or (place.scheme or "amqp") != ("amqps" if secured else "amqp"):
            continue
        found.append(place.endpoint)
    return tuple(found[:MAX_ALTERNATIVES])


def _read(told: Mapping[str, Any]) -> Redirect | None:
    hostname = told.get("hostname")
    host, port, scheme = told.get("network-host") or hostname, told.get("port"), told.get("scheme") or ""
    if not isinstance(host, str) or not isinstance(port, int) or not 0 < port < 65536:
        return None
    if scheme not in ("", "amqp", "amqps"):
        return None
    return Redirect(Endpoint(str(host), int(port)), str(scheme), str(hostname) if hostname else None)
