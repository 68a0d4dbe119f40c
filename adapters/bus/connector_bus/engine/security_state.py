"""Whether a bus's security is in force: enabled, disabled, or asked for and without effect (CONF-4, BUS-4)."""

from __future__ import annotations

from enum import StrEnum


class SecurityState(StrEnum):
    """The state of one bus's security."""

    ENABLED = "enabled"
    DISABLED = "disabled"
    #: The bus asks for security and administrative security is off: it has no effect, and every start says so.
    INCONSISTENT = "inconsistent"

    @classmethod
    def of(cls, *, bus_security: bool, admin_security: bool) -> SecurityState:
        """The state that the two switches make."""
        if not bus_security:
            return cls.DISABLED
        return cls.ENABLED if admin_security else cls.INCONSISTENT
