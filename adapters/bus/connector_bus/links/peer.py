"""Who is at the other end of a link, as far as the receiving end knows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class LinkPeer(Protocol):
    """Who has sent something."""

    @property
    def peer(self) -> str:
        """The bus at the other end."""
        ...

    @property
    def authenticated(self) -> bool:
        """Whether its engine is."""
        ...


@dataclass(frozen=True, slots=True)
class NetworkPeer:
    """Who is at the other end of a connection from the network.

    Attributes:
        user: Who has signed on; None for nobody.
        secure: Whether the connection is protected by TLS.
        by_certificate: Whether a certificate has said who, and no password.
    """

    user: str | None
    secure: bool
    by_certificate: bool = False
