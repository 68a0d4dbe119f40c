"""Where metrics may be listened for: loopback addresses only. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import NamedTuple

from connector.errors import ConfigError, Reason

ADDRESS_WRONG = Reason(
    "CF-METR-001",
    "[metrics] listen = {listen!r} is no loopback address with a port.",
    'Say for example "127.0.0.1:9464" or "[::1]:9464"; to reach it from another machine put a proxy with TLS and '
    "authentication before it.",
)

_SHAPE = re.compile(r"(?:\[(?P<v6>[0-9a-fA-F:]+)\]|(?P<v4>[0-9.]+)):(?P<port>[0-9]{1,5})")


class ListenAddress(NamedTuple):
    """A numeric loopback address and a port; port 0 takes any that is free."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listen_address(listen: str) -> ListenAddress:
    """The address that a configuration names. Raises ConfigError (CF-METR-001).

    No host names: what they resolve to is decided elsewhere.
    """
    shape = _SHAPE.fullmatch(listen)
    host = (shape["v6"] or shape["v4"]) if shape is not None else ""
    if shape is None or not is_loopback(host) or int(shape["port"]) > 65_535:
        raise ConfigError(ADDRESS_WRONG, listen=listen)
    return ListenAddress(host, int(shape["port"]))


def is_loopback(host: str) -> bool:
    """Whether a text is a numeric loopback address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def names_this_machine(host_header: str) -> bool:
    """Whether an HTTP `Host` names loopback: a page in somebody's browser whose name was made to resolve to
    127.0.0.1 names itself there, and must not read what is served here.
    """
    host = host_header.strip()
    host = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return host.lower() == "localhost" or is_loopback(host)
