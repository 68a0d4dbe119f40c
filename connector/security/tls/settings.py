"""One TLS configuration: which key, whom it trusts, and what it asks of the other side (CHAIN-3)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from connector.spi import Secret


class ClientAuthentication(StrEnum):
    """What a server asks of its clients' certificates."""

    NONE = "none"  # none is asked for
    SUPPORTED = "supported"  # one that is shown must be trusted
    REQUIRED = "required"  # without a trusted one nobody gets in


@dataclass(frozen=True, slots=True)
class TlsSettings:
    """`[tls.NAME]`.

    Attributes:
        name: Its name.
        key_store: Own key and certificate; None for a client that shows none.
        trust_store: The signers; None: those of the operating system.
        key_store_password, trust_store_password: Of stores that have one.
        client_authentication: What servers with it ask.
        minimum_protocol: The oldest version of TLS that is spoken.
    """

    name: str
    key_store: Path | None = None
    trust_store: Path | None = None
    key_store_password: Secret | None = field(default=None, repr=False)
    trust_store_password: Secret | None = field(default=None, repr=False)
    client_authentication: ClientAuthentication = ClientAuthentication.NONE
    minimum_protocol: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2
