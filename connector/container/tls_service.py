"""What adapters get of `[tls]`: contexts by name, renewed with their files, never a key (CHAIN-3)."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Mapping
from typing import final

from connector.errors import NameNotFound, Reason
from connector.security.tls.contexts import Side, TlsContexts
from connector.security.tls.settings import TlsSettings

TLS_UNKNOWN = Reason(
    "CF-CTR-065",
    "there is no TLS configuration {name!r}; there are: {known}.",
    "Add [tls.{name}], or correct the name.",
)


@final
class ContainerTls:
    """Implements `connector.spi.TlsService`. Safe to use from any thread.

    Args:
        configured: `[tls]` by name.
    """

    # Mutable state, changed under `_lock`: `_made`, which only grows.

    def __init__(self, configured: Mapping[str, TlsSettings]) -> None:
        self._configured = configured
        self._lock = threading.Lock()
        self._made: dict[tuple[str, Side], TlsContexts] = {}

    def server_context(self, name: str) -> ssl.SSLContext:
        """For a listening side; see `connector.spi.TlsService`."""
        return self._context(name, "server")

    def client_context(self, name: str) -> ssl.SSLContext:
        """For a connecting side; see `connector.spi.TlsService`."""
        return self._context(name, "client")

    def _context(self, name: str, side: Side) -> ssl.SSLContext:
        if name not in self._configured:
            known = ", ".join(sorted(self._configured)) or "none"
            raise NameNotFound(TLS_UNKNOWN, name=name, known=known)
        with self._lock:
            contexts = self._made.get((name, side))
            if contexts is None:
                contexts = self._made[name, side] = TlsContexts(self._configured[name], side)
        return contexts.current()
