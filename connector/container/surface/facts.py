"""What a container is: its name, its realm, its folders, its ports."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from connector.spi import AuditLog

if TYPE_CHECKING:
    from connector.container.configuration.settings import AdminPort, NamingPort
    from connector.container.parts import Parts


class Facts:
    """What it is. Nothing here blocks or changes anything."""

    _parts: Parts

    @property
    def name(self) -> str:
        """The container's name."""
        return str(self._parts.configuration.container.name)

    @property
    def realm(self) -> str:
        """The container's realm."""
        return str(self._parts.configuration.container.realm)

    @property
    def security(self) -> bool:
        """Whether administrative security is on (CONF-4)."""
        return bool(self._parts.configuration.container.security)

    @property
    def state_folder(self) -> Path:
        """Where it keeps its state."""
        return self._parts.state.folder

    @property
    def admin_port(self) -> AdminPort | None:
        """Where administration from elsewhere is to come in (CONF-7); None for nowhere."""
        return self._parts.configuration.admin_port

    @property
    def naming_port(self) -> NamingPort | None:
        """Where look-ups from outside are to come in (CONF-6); None for nowhere."""
        return self._parts.configuration.naming_port

    @property
    def audit(self) -> AuditLog:
        """The security audit log."""
        return self._parts.audit
