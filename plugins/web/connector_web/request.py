"""What a source of identity sees of a web request: the same for ASGI and WSGI."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ClientCertificate:
    """What the server says of the certificate that the client presented.

    Attributes:
        pem: The certificate itself, as PEM; the client's own, without its chain. None where the server has lost it.
        verified: Whether the server says that it verified it; None where it says neither.
    """

    pem: str | None
    verified: bool | None


@dataclass(frozen=True, slots=True)
class WebRequest:
    """One request, or one websocket. Immutable; its `repr` shows no header.

    Attributes:
        kind: `http` or `websocket`.
        method: The method; `WEBSOCKET` for a websocket.
        path: The path, without the query: that may hold a secret.
        secure: Whether it came by TLS, as far as the server knows.
        peer: The address that the server says it came from; `unix` for a Unix socket, or where the server says none.
        headers: The values of each header by its name in small letters, in their order.
        certificate: What the server says of a client certificate; None where the client presented none.
        native: The ASGI scope or the WSGI environ, for `established`.
    """

    kind: str
    method: str
    path: str
    secure: bool
    peer: str
    headers: Mapping[str, tuple[str, ...]] = field(repr=False)
    certificate: ClientCertificate | None = field(repr=False)
    native: Mapping[str, Any] = field(repr=False)

    def header(self, name: str) -> tuple[str, ...]:
        """All values of a header; empty where there is none. `name` in small letters."""
        return self.headers.get(name, ())

    @property
    def what(self) -> str:
        """The request in words, for logs: cut, without the query, and on one line."""
        return "".join(c if c.isprintable() else "?" for c in f"{self.method} {self.path}"[:200])
