"""Hook markers and specifications for plugins (group `connector.plugins`); pluggy is imported here only.

Hooks see redacted events; no credential ever passes through one (architecture rule 5). They are called on the thread
where the event happens: return at once, and don't raise (what is raised is logged and dropped).
"""

from __future__ import annotations

import pluggy

from connector.spi.audit import AuditEvent

PROJECT_NAME = "connector"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


class HookSpecifications:
    """Everything that a plugin may listen to."""

    @hookspec
    def connector_audit_event(self, event: AuditEvent) -> None:
        """Called after an audit event was written."""

    @hookspec
    def connector_container_started(self, container: str) -> None:
        """Called after the container of that name is ready."""

    @hookspec
    def connector_container_stopping(self, container: str) -> None:
        """Called before the container of that name stops."""
