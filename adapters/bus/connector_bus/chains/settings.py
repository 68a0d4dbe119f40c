"""The settings of transport chains: what `[chains]` says, as frozen values (CHAIN-1, CHAIN-2)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from connector.errors import ConfigError, Reason
from connector_bus.chains.place import Place, parse_place

BASIC: Final = "InboundBasicMessaging"
SECURE: Final = "InboundSecureMessaging"
_PORTS: Final[Mapping[str, int]] = {BASIC: 7276, SECURE: 7286}


PLACE_UNFIT = Reason(
    "CF-BUS-306",
    "chains.{chain}.{key} names {found!r}, which is no place of a server",
    "Write amqp://HOST:PORT, or amqps://HOST:PORT for a chain with TLS, without user and path.",
)


@dataclass(frozen=True, slots=True)
class ChainSettings:
    """One chain.

    Attributes:
        name: Its name.
        host: The address that it listens on.
        port: The port; 0 for any that is free.
        tls: The TLS configuration; None for a chain in plain text.
        enabled: Whether it listens at all.
        certificate_users: Whether a client's certificate stands for the user of its common name (EXTERNAL).
        certificate_map: Whom certificates stand for where it isn't their common name: by that name, or by `sha256:` and
            the fingerprint. Where there is any, other certificates stand for nobody.
        default_bus: The bus of clients that name none.
        idle_timeout: Seconds after which a silent client is taken for dead.
        login_timeout: Seconds that a client may take until it has said who it is and opened its connection.
        max_connections: How many clients at once.
        max_user_connections: How many of them may be one user's.
        max_address_connections: How many of them may come from one address.
        max_frame_size: Bytes of the largest frame that a client may send.
        max_sasl_frame_size: Bytes of the largest frame that a client may send while it says who it is.
        max_sessions: Sessions of one connection.
        max_links: Links of one connection.
        max_in_flight: Messages that one link has out, and not settled.
        max_memory: Bytes of clients' messages that are held in memory until they are stored, over all clients.
        public_host: By which host clients are sent here from another chain; None for the one they have come to.
        failover: Where clients may go if this server is lost; told to all.
        redirect_to: Where clients are sent, in turn, instead of being served here.
        transaction_timeout: Seconds after which a transaction that is still open is rolled back.
    """

    name: str
    host: str = "127.0.0.1"
    port: int = 0
    tls: str | None = None
    enabled: bool = True
    certificate_users: bool = False
    certificate_map: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    default_bus: str | None = None
    idle_timeout: float = 60.0
    login_timeout: float = 10.0
    max_connections: int = 1000
    max_user_connections: int = 1000
    max_address_connections: int = 1000
    max_frame_size: int = 65536
    max_sasl_frame_size: int = 512
    max_sessions: int = 255
    max_links: int = 1000
    max_in_flight: int = 1000
    max_memory: int = 256 * 1024 * 1024
    transaction_timeout: float = 300.0
    public_host: str | None = None
    failover: tuple[Place, ...] = ()
    redirect_to: tuple[Place, ...] = ()

    @property
    def is_secure(self) -> bool:
        """Whether it is protected by TLS."""
        return self.tls is not None

    def certificate_user(self, name: str | None, certificate: bytes | None) -> str | None:
        """Whom a verified certificate stands for, by its common name and its bytes; None for nobody. Pure."""
        if not self.certificate_map:
            return name
        fingerprint = "" if certificate is None else hashlib.sha256(certificate).hexdigest()
        written = {key.lower().replace(":", ""): user for key, user in self.certificate_map.items()}
        return written.get(f"sha256{fingerprint}") or self.certificate_map.get(name or "")


def read_chains(section: Mapping[str, Any]) -> dict[str, ChainSettings]:
    """The chains of a checked section. Pure. Raises ConfigError CF-BUS-306."""
    chains = {}
    for name, table in section.items():
        given = {key: value for key, value in table.items() if value is not None}
        for key in ("failover", "redirect_to"):
            given[key] = tuple(_place(str(name), key, str(each)) for each in given.get(key) or ())
        given.setdefault("port", _PORTS.get(name, 0))
        chains[name] = ChainSettings(str(name), **given)
    return chains


def _place(chain: str, key: str, text: str) -> Place:
    place = parse_place(text)
    if place is None:
        raise ConfigError(PLACE_UNFIT, chain=chain, key=key, found=text)
    return place


def is_permitted(permitted: str | tuple[str, ...], chain: ChainSettings) -> bool:
    """Whether a bus takes clients of a chain: `all`, `tls-only`, or the listed ones (CHAIN-2). Pure."""
    if permitted == "all":
        return True
    return chain.is_secure if permitted == "tls-only" else chain.name in permitted
