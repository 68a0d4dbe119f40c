"""What an operator looks at and operates beside connections: activations, adapters' commands, plugins, status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from connector.container.naming import unknown
from connector.container.plugins.info import PluginInfo

if TYPE_CHECKING:
    from connector.container.activation_operations import OperatedActivation
    from connector.container.parts import Parts


class Operation:
    """Activations, adapters and plugins of a running container."""

    _parts: Parts

    def retry_activations(self) -> None:
        """Try the failed activations again, for example after a missing role was granted (CHAIN-6).

        Blocks for the external systems. Raises nothing: what fails again is in `status` and `findings`.
        """
        for deployed in self._parts.activations:
            deployed.activation.retry()

    def activation(self, name: str) -> OperatedActivation:
        """A handler's activation, to look at and to operate (FLOW-5). Does not block.

        Args:
            name: `application:activation`.

        Raises NameNotFound.
        """
        from connector.container.activation_operations import operated_activation  # not needed for a start

        return operated_activation(self._parts, name)

    def activations(self) -> tuple[OperatedActivation, ...]:
        """All activations, in the order of the configuration. Does not block."""
        from connector.container.activation_operations import operated_activations  # not needed for a start

        return operated_activations(self._parts)

    def run_command(self, adapter: str, command: str, arguments: Mapping[str, Any]) -> Any:
        """Have an adapter carry out one of the operations that its `ra.toml` lists. Raises NameNotFound."""
        found = self._parts.adapters.get(adapter)
        if found is None:
            raise unknown("adapter", adapter, "this container", self._parts.adapters)
        return found.run_command(command, arguments)

    def bus_command(self, bus: str, command: str, arguments: Mapping[str, Any]) -> Any:
        """Have the adapter whose bus it is carry out one of its operations. Raises NameNotFound for an unknown bus."""
        from connector.container.operator_access import owner_of  # not needed for a start

        return self.run_command(owner_of(self._parts, bus), command, {**arguments, "bus": bus})

    def plugins(self) -> tuple[PluginInfo, ...]:
        """All plugins found, with their state and the reason of a failure (OPS-3). Does not block."""
        return self._parts.catalogue.plugins

    def status(self) -> dict[str, Any]:
        """The container's state as plain data: resources with their pools, activations, adapters. Does not block."""
        from connector.container.status import status  # not needed for a start

        return status(self._parts)
