"""A security domain: one realm of the container with all that is decided in it (FLOW-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from connector.security.inbound_map import InboundMap
from connector.spi import AuditLog, IdentityService


class SecurityDomain(IdentityService, Protocol):
    """What the work room asks of a realm, besides what adapters may ask of it."""

    @property
    def inbound_maps(self) -> Mapping[str, InboundMap]:
        """The realm's inbound maps, by foreign realm."""
        ...

    @property
    def audit(self) -> AuditLog:
        """Where decisions about identities are recorded."""
        ...

    @property
    def realms(self) -> tuple[str, ...]:
        """All realms of the container, sorted."""
        ...

    def in_realm(self, realm: str) -> SecurityDomain | None:
        """The domain of that realm of the same container; None where it has no such realm. Does not block."""
        ...
