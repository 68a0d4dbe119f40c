"""Names of a container: applications, and global names of resources (CONF-3, CONF-6)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector.container.login_door import LoginDoor
from connector.container.naming import Application, unknown
from connector.container.naming_references import naming_reference
from connector.outbound.manager import ReferenceConnectionManager
from connector.spi import NamingReference

if TYPE_CHECKING:
    from connector.container.parts import Parts


class Names:
    """What can be looked up, and what stands behind a reference."""

    _parts: Parts

    def application(self, name: str) -> Application:
        """An application's own name space. Raises NameNotFound."""
        application = self._parts.applications.get(name)
        if application is None:
            raise unknown("application", name, "the configuration", self._parts.applications)
        return application

    def lookup(self, name: str) -> Any:
        """A connection factory by its global name: acts as `res_auth = Application`, shareable (CONF-3).

        Does not connect. Raises NameNotFound.
        """
        return self._parts.direct.lookup(name)

    def naming_reference(self, name: str) -> NamingReference:
        """What clients outside are told of a connection factory or destination by its global name (CONF-6).

        Does not block. Raises NameNotFound.
        """
        return naming_reference(name, self._parts.configuration.resources, self._parts.adapters)

    def _owner(self, reference: str) -> tuple[Application, str]:
        application, separator, name = reference.partition(":")
        if separator and (application in self._parts.applications or reference not in self._parts.resources):
            return self.application(application), name
        return self._parts.direct, reference

    def _manager(self, reference: str) -> ReferenceConnectionManager:
        application, name = self._owner(reference)
        return application.manager(name)

    def _door(self, reference: str) -> LoginDoor:
        """Callers of a reference are users of its application's realm."""
        return self._owner(reference)[0].door
