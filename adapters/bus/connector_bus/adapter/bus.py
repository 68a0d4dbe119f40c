"""One running bus: its engine with everything that works on it, started and stopped as a whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import final

from connector.spi import BootstrapContext, ServerPrincipal
from connector_bus.adapter.configuration import policy_definition
from connector_bus.adapter.sign_on import SignOn
from connector_bus.adapter.store_place import open_store
from connector_bus.engine.access import AccessControl
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.mediation import Mediation, load_mediations
from connector_bus.engine.mediator import Mediator
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.settings import BusSettings


@final
class Bus:
    """One bus of this container.

    Attributes:
        settings: Its configuration.
        access: Its role checks.
        sign_on: Who may come in.
        engine: Its messages.
        failures: What happens to messages that can't be delivered.
        context: The container.
    """

    def __init__(self, settings: BusSettings, context: BootstrapContext, alarm: Alarm) -> None:
        self.settings = settings
        self.context = context
        # Handlers are imported before the store is opened: a wrong one leaves nothing half started.
        chains = {name: load_mediations(settings.name, each) for name, each in settings.destinations.items()}
        policy = CompiledPolicy(policy_definition(settings, context.identity))
        self.access = AccessControl(policy, context.identity, context.audit, bus_security=settings.security)
        self.sign_on = SignOn(settings, self.access, context.identity)
        store, shared = open_store(settings.name, settings.store, context.state_folder, context.container_name)
        try:
            self.engine = BusEngine(settings, store, self.access, context.clock, alarm, shared=shared)
        except BaseException:
            store.close()
            raise
        server = ServerPrincipal(context.container_name, context.identity.realm)
        self.failures = FailureHandling(self.engine, server)
        self._mediators = self._make_mediators(chains)

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    def start(self) -> None:
        """Take up where the last run ended. Blocks for disk."""
        self.engine.load()
        for mediator in self._mediators:
            mediator.start()

    def stop(self, grace: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Finish the mediations under way, for at most `grace` seconds together, and close the store."""
        end = monotonic() + grace
        for mediator in self._mediators:
            mediator.stop(max(0.0, end - monotonic()))
        self.engine.stop()

    def _make_mediators(self, chains: dict[str, tuple[Mediation, ...]]) -> list[Mediator]:
        table = self.engine.destinations.durable
        return [
            Mediator(self.engine, table[name], chain, self.failures, self.context.work_manager)
            for name, chain in chains.items()
            if chain
        ]

    def __repr__(self) -> str:
        return f"<Bus {self.name}>"
