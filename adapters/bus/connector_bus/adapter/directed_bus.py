"""A bus whose engines are elsewhere: this server knows who may connect, and where to (CHAIN-8)."""

from __future__ import annotations

from typing import final

from connector.spi import BootstrapContext
from connector_bus.adapter.configuration import policy_definition
from connector_bus.engine.access import AccessControl
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.settings import BusSettings


@final
class DirectedBus:
    """One of them. Mutable state: `settings`, changed by `reconfigure`.

    Attributes:
        settings: Its configuration.
        access: Its role checks.
    """

    def __init__(self, settings: BusSettings, context: BootstrapContext) -> None:
        self.settings = settings
        self._identity = context.identity
        policy = CompiledPolicy(policy_definition(settings, context.identity))
        self.access = AccessControl(policy, context.identity, context.audit, bus_security=settings.security)

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    def reconfigure(self, settings: BusSettings) -> None:
        """Put other roles in force."""
        self.access.replace(CompiledPolicy(policy_definition(settings, self._identity)))
        self.settings = settings

    def __repr__(self) -> str:
        return f"<DirectedBus {self.name}>"
