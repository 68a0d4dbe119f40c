"""One running bus: its engine with everything that works on it, started and stopped as a whole."""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable
from typing import final

from connector.spi import UNAUTHENTICATED, BootstrapContext, Principal, ServerPrincipal, UserPrincipal
from connector_bus.adapter.configuration import policy_definition
from connector_bus.adapter.inter_engine import InterEngine
from connector_bus.adapter.links import BusLinks, FindBus
from connector_bus.adapter.sign_on import SignOn
from connector_bus.adapter.store_place import open_store
from connector_bus.engine.access import AccessControl
from connector_bus.engine.alarm import Alarm
from connector_bus.engine.destination import RESTING_TYPES
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.mediation import Mediation, load_mediations
from connector_bus.engine.mediator import Mediator
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.ports.client import PortClient
from connector_bus.ports.port import Port
from connector_bus.settings import BusSettings, DestinationSettings

#: Seconds that a message under way in a mediation gets when its destination ends.
MEDIATION_GRACE = 2.0


@final
class Bus:
    """One bus of this container. Mutable state: `settings` and the mediators, changed by `reconfigure`.

    Attributes:
        settings: Its configuration.
        access: Its role checks.
        sign_on: Who may come in.
        engine: Its messages.
        failures: What happens to messages that can't be delivered.
        context: The container.
        links: Its links to other buses.
    """

    def __init__(
        self, settings: BusSettings, context: BootstrapContext, alarm: Alarm, find: FindBus = lambda _name: None
    ) -> None:
        self.settings = settings
        self.context = context
        # Handlers are imported before the store is opened: a wrong one leaves nothing half started.
        chains = {name: self._load(each) for name, each in settings.destinations.items()}
        policy = CompiledPolicy(policy_definition(settings, context.identity))
        self.access = AccessControl(policy, context.identity, context.audit, bus_security=settings.security)
        self.sign_on = SignOn(settings, self.access, context.identity)
        self._inter_engine = InterEngine(settings, context)
        self.access.engine_user = self._inter_engine.user()
        store, shared = open_store(
            settings.name, settings.store, context.state_folder, context.container_name, self._inter_engine.proof
        )
        try:
            self.engine = BusEngine(
                settings, store, self.access, context.clock, alarm, transactions=context.transactions, shared=shared
            )
        except BaseException:
            store.close()
            raise
        server = ServerPrincipal(context.container_name, context.identity.realm)
        self.failures = FailureHandling(self.engine, server)
        self.links = BusLinks(self.engine, self.failures, context, server, find)
        self._server = server
        self._mediators = self._make_mediators(chains)
        self._ports = self._make_ports(settings.destinations.values())

    def users_changed(self) -> None:
        """Have what is open ask again who its users are. Blocks for authentication data and the registry."""
        self.access.engine_user = self._inter_engine.user() or self.access.engine_user
        self.access.recheck()

    @property
    def name(self) -> str:
        """Its name."""
        return self.settings.name

    def start(self) -> None:
        """Take up where the last run ended. Blocks for disk."""
        self.engine.load()
        for mediator in self._mediators:
            mediator.start()
        for port in self._ports:
            port.start()
        self.links.start()

    def stop(self, grace: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Finish the mediations under way, for at most `grace` seconds together, and close the store."""
        end = monotonic() + grace
        self.links.stop(max(0.0, end - monotonic()))
        for mediator in self._mediators:
            mediator.stop(max(0.0, end - monotonic()))
        for port in self._ports:
            port.stop(max(0.0, end - monotonic()))
        self.engine.stop()

    def reconfigure(self, settings: BusSettings) -> None:
        """Put other roles and destinations in force while it runs; what else differs is not looked at (BUS-12).

        From now on every check is made by the new roles, on open connections and in activations as well. A destination
        that is new begins with what the store has kept for one of its name; one that is gone ends, and the store keeps
        what is on it. Blocks for disk. One call at a time.

        Raises ConfigError CF-BUS-006 or -007 for a mediation that can't be loaded; nothing has changed then.
        """
        present = self.engine.destinations.durable
        queues = {name: each for name, each in settings.destinations.items() if each.kind in RESTING_TYPES}
        fresh = [each for name, each in queues.items() if name not in present]
        chains = {each.name: self._load(each) for each in fresh}
        policy = CompiledPolicy(policy_definition(settings, self.context.identity))
        for each in fresh:
            self.engine.add(each)
        self.engine.destinations.configured(settings.destinations)
        # Only now: a role on a destination means nothing before it is there.
        self.access.replace(policy)
        self.sign_on.reconfigure(settings)
        self.links.reconfigure(settings)
        self.settings = settings
        mediators = self._make_mediators(chains)
        self._mediators += mediators
        for mediator in mediators:
            mediator.start()
        ports = self._make_ports(fresh)
        self._ports += ports
        for port in ports:
            port.start()
        for name in [name for name in present if name not in settings.destinations]:
            self._end(name)

    def _end(self, destination: str) -> None:
        for mediator in [each for each in self._mediators if each.destination == destination]:
            mediator.stop(MEDIATION_GRACE)
            self._mediators.remove(mediator)
        for port in [each for each in self._ports if each.destination == destination]:
            port.stop(MEDIATION_GRACE)
            self._ports.remove(port)
        self.engine.remove(destination)

    def _load(self, destination: DestinationSettings) -> tuple[Mediation, ...]:
        """Import the mediations of a destination. Raises ConfigError CF-BUS-006 or -007."""
        return load_mediations(self.name, destination, self._mediating)

    def _mediating(self, run_as: str | None) -> Principal:
        """Whom a mediation's own messages are from: nobody where there is no security in force (BUS-4)."""
        identity, user = self.context.identity, run_as or self.settings.mediation_user
        if user is None or not (self.settings.security and identity.security_enabled):
            return UNAUTHENTICATED
        return UserPrincipal(user, identity.realm)

    def _make_mediators(self, chains: dict[str, tuple[Mediation, ...]]) -> list[Mediator]:
        table = self.engine.destinations.durable
        return [
            Mediator(self.engine, table[name], chain, self.failures, self.context.work_manager)
            for name, chain in chains.items()
            if chain
        ]

    def _make_ports(self, settings: Iterable[DestinationSettings]) -> list[Port]:
        """The ports among destinations that are made already. Raises ConfigError CF-BUS-245, NameNotFound."""
        ports = []
        for each in settings:
            if each.port is None:
                continue
            context, destination = self.context, self.engine.destinations.durable[each.name]
            client = PortClient(
                self.name,
                each.name,
                each.port,
                self._tls_context,
                context.authentication_data,
                each.max_message_size,
            )
            ports.append(
                Port(self.engine, destination, each, client, self.failures, self._server, context.work_manager)
            )
        return ports

    def _tls_context(self, name: str) -> ssl.SSLContext:
        return self.context.tls.client_context(name)

    def __repr__(self) -> str:
        return f"<Bus {self.name}>"
