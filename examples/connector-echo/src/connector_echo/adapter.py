"""The resource adapter: makes one factory a resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.spi import BootstrapContext, ManagedConnectionFactory, ResourceAdapter
from connector_echo.factory import EchoManagedConnectionFactory


class EchoResourceAdapter(ResourceAdapter):
    """Connections to echo servers. It holds nothing."""

    def start(self, context: BootstrapContext) -> None:
        """Nothing to get ready."""

    def stop(self) -> None:
        """Nothing to let go of."""

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> ManagedConnectionFactory:
        """The factory of one resource; does not connect."""
        address = (str(properties["host"]), int(properties["port"]))
        return EchoManagedConnectionFactory(resource, address, float(properties["connect_timeout"]))
