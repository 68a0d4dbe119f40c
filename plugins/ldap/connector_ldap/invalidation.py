"""Forgetting what is kept of a directory when something happens that makes it doubtful: a listener to events.

An external system that refuses a caller's credential may have been given a new one, as the directory has: of that
caller nothing is kept. And whoever has authentication data refreshed wants what is in force to be what is there.
"""

from __future__ import annotations

from typing import final

from connector.spi import AuditEvent, Outcome
from connector.spi.hooks import hookimpl
from connector_ldap.kept import KEEPERS


@final
class Invalidation:
    """Hears audit events. Keeps nothing itself; safe from any thread; does not block."""

    @hookimpl
    def connector_audit_event(self, event: AuditEvent) -> None:
        """Have forgotten what the event makes doubtful."""
        if event.action == "connect" and event.outcome is Outcome.DENIED:
            KEEPERS.forget_caller(event.who)
        elif event.action == "admin.auth-data.refresh" and event.outcome is Outcome.SUCCESS:
            KEEPERS.forget()


#: What the entry point names: one for the process.
plugin = Invalidation()
