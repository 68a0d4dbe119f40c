"""Hook markers and specifications for plugins (group `connector.plugins`); pluggy is imported here only.

Hooks see redacted events; no credential ever passes through one (architecture rule 5). They are called on the thread
where the event happens: return at once, and don't raise. What is raised is logged and dropped: of an error of
`connector.errors` its text, of any other its type. An implementation may leave out arguments that it doesn't need.
"""

from __future__ import annotations

import pluggy

from connector.spi.audit import AuditEvent
from connector.spi.observation import ObservedContainer

PROJECT_NAME = "connector"

hookspec = pluggy.HookspecMarker(PROJECT_NAME)
hookimpl = pluggy.HookimplMarker(PROJECT_NAME)


class HookSpecifications:
    """Everything that a plugin may listen to.

    Called on the thread on which it happens, audit events on any and several at a time: so a hook must be quick.
    What it raises is logged and dropped.
    """

    @hookspec
    def connector_audit_event(self, event: AuditEvent, container: str) -> None:
        """Called after an audit event of the container of that name was written; also before it has started."""

    @hookspec
    def connector_container_started(self, container: str, observed: ObservedContainer) -> None:
        """Called after the container of that name is ready, with what the plugin may see of it.

        A plugin that raises here is recorded as failed, so that `connector check` tells of it.
        """

    @hookspec
    def connector_container_stopping(self, container: str) -> None:
        """Called before the container of that name stops; also where its start was broken off."""
