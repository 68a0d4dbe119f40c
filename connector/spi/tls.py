"""TLS as adapters use it: contexts by the names of the deployer's configurations (CHAIN-3)."""

from __future__ import annotations

import ssl
from typing import Protocol


class TlsService(Protocol):
    """Contexts of `[tls.NAME]`; ask for each connection, since renewed keys and signers make a new one.

    Safe to call from any thread; looks at files' dates, and reads files that are new.
    """

    def server_context(self, name: str) -> ssl.SSLContext:
        """For whoever accepts connections.

        Raises NameNotFound, and ConfigError (CF-TLS-…) where there never was a good one.
        """
        ...

    def client_context(self, name: str) -> ssl.SSLContext:
        """For whoever connects; verifies certificate and host name. Raises as `server_context`."""
        ...
