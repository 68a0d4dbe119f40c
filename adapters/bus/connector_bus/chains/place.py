"""Where engines listen, as configuration writes it and clients are told of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a chain listens.

    Attributes:
        scheme: `amqp` or `amqps`.
        host, port: Where.
        chain: The chain's name; None where it was not told.
    """

    scheme: str
    host: str
    port: int
    chain: str | None = None

    @property
    def is_secure(self) -> bool:
        """Whether it is protected by TLS."""
        return self.scheme == "amqps"

    def described(self, bus: str) -> dict[str, Any]:
        """As clients read it, of a redirect and of a failover list.

        `hostname` is what the client says in its next open: the bus. Where that is, is `network-host`.
        """
        return {"hostname": bus, "network-host": self.host, "port": self.port, "scheme": self.scheme}

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"


def parse_place(text: str, *, with_chain: bool = False) -> Place | None:
    """The place that `amqp://HOST:PORT` or `amqps://HOST:PORT` names, with `/CHAIN` where that may be; else None."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    chain = parts.path.removeprefix("/") or None
    fits = parts.scheme in ("amqp", "amqps") and parts.hostname and port and not parts.query and not parts.fragment
    if not fits or "@" in parts.netloc or (parts.path and not (with_chain and chain and "/" not in chain)):
        return None
    assert parts.hostname is not None
    assert port is not None
    return Place(parts.scheme, parts.hostname, port, chain)
