"""What an activation says, as a frozen value. Pure."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.errors import ConfigError, Reason

ADDRESS_UNFIT = Reason(
    "CF-HTTP-001", "resource {resource} is to listen on {found!r}, which is no address.", "Write HOST:PORT."
)
PATH_UNFIT = Reason("CF-HTTP-002", "resource {resource} has the path {found!r}.", "Begin it with a slash.")
IN_THE_CLEAR = Reason(
    "CF-HTTP-003",
    "resource {resource} is to listen on {host}, where passwords would come over the network in the clear.",
    "Listen on 127.0.0.1, behind a proxy that speaks TLS; or say behind_tls_proxy = true where the proxy is elsewhere.",
)


@dataclass(frozen=True, slots=True)
class FrontSettings:
    """One front.

    Attributes:
        host: Where it listens.
        port: On which port; 0 for any free one.
        path: What it serves.
        destination: What its messages say as their destination, or None.
        max_body: Bytes that a body has at most.
    """

    host: str
    port: int
    path: str
    destination: str | None
    max_body: int


def read_front(resource: str, properties: Mapping[str, Any]) -> FrontSettings:
    """From checked properties. Raises ConfigError CF-HTTP-001 to -003."""
    listen, path = str(properties["listen"]), str(properties.get("path") or "/")
    host, _, port = listen.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdecimal() or int(port) > 65_535:
        raise ConfigError(ADDRESS_UNFIT, resource=resource, found=listen)
    if not path.startswith("/"):
        raise ConfigError(PATH_UNFIT, resource=resource, found=path)
    if not _is_loopback(host) and not properties.get("behind_tls_proxy"):
        raise ConfigError(IN_THE_CLEAR, resource=resource, host=host)
    destination = properties.get("destination")
    return FrontSettings(host, int(port), path, destination, int(properties.get("max_body") or 1024 * 1024))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
