"""The resource adapter to the buses of this container."""

from __future__ import annotations

import logging
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, final

from connector.errors import ConfigError, NameNotFound, Problem, Reason
from connector.spi import (
    ActivationHealth,
    ActivationSpec,
    BootstrapContext,
    Clock,
    Duty,
    IdentityService,
    Instrument,
    Measurement,
    MessageEndpointFactory,
    NamingKind,
    NamingReference,
    PostureFinding,
    ResourceAdapter,
)
from connector_bus.adapter import commands, posture
from connector_bus.adapter.activation import Activation
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.configuration import read_buses
from connector_bus.adapter.directed_bus import DirectedBus
from connector_bus.adapter.duties import duties
from connector_bus.adapter.factory import BusManagedConnectionFactory
from connector_bus.adapter.reconfiguration import BusesChange, live_section, waiting, waiting_chains
from connector_bus.engine.alarm import Alarm, ThreadAlarm
from connector_bus.engine.terms import Terms
from connector_bus.engine.topic_pattern import parse_pattern
from connector_bus.links.contract import LinkEntrance
from connector_bus.selector.selector import parse_selector
from connector_bus.settings import BusSettings

if TYPE_CHECKING:
    from connector_bus.chains.listener import ChainListeners

NO_ENGINE = Reason(
    "CF-BUS-464",
    "bus {bus} has no engine here (engine = false)",
    "Reach it with a resource of the adapter amqp, whose endpoint may be this server.",
)

#: Seconds that deliveries under way are waited for when their activation ends.
DEACTIVATION_GRACE = 5.0
#: Seconds that everything under way is waited for when the adapter stops: activations have had theirs, and the
#: container as a whole stops within five.
STOP_GRACE = 1.0

_LOG = logging.getLogger("connector_bus.adapter")


@final
class BusResourceAdapter(ResourceAdapter):
    """Runs the buses of `[buses]` in this process, and connects applications and handlers to them (BUS).

    Args:
        make_alarm: Where what is due later is told from; tests bring one that they wind by hand.

    Safe to use from any thread once started. Mutable state: `_context`, `_alarm` and `_listeners`, set by `start`;
    `_section`, `_buses` and `_directed`, what is in force, changed by what `sections_changed` answers; `_activations`
    and `_leaving`, changed under `_lock`.
    """

    def __init__(self, make_alarm: Callable[[Clock], Alarm] = ThreadAlarm) -> None:
        self._make_alarm = make_alarm
        self._context: BootstrapContext | None = None
        self._section: Mapping[str, Any] = {}
        self._alarm: Alarm | None = None
        self._buses: dict[str, Bus] = {}
        self._directed: dict[str, DirectedBus] = {}
        self._listeners: ChainListeners | None = None
        self._lock = threading.Lock()
        self._activations: dict[tuple[MessageEndpointFactory, ActivationSpec], Activation] = {}
        # Ended, but not in time: should the same handler be activated again, their deliveries come first.
        self._leaving: dict[tuple[MessageEndpointFactory, ActivationSpec], Activation] = {}

    def start(self, context: BootstrapContext) -> None:
        """Read the configuration, open the stores, start the mediations. Blocks for disk and registry.

        Raises ConfigError (all mistakes of the section; CF-BUS-006 or -007 for a mediation), MessagingError CF-BUS-050,
        -051 or -054 for a store that can't be used. What had been started is then stopped again.
        """
        self._section = context.sections.get("buses") or {}
        vanished: list[Problem] = []
        settings = read_buses(self._section, context.identity, vanished=vanished)
        for one in vanished:
            _LOG.warning("%s: %s: found %s; it has no effect until it is known", one.code, one.key_path, one.found)
        self._context = context
        self._alarm = self._make_alarm(context.clock)
        try:
            for each in settings.values():
                _warn(each, admin_security=context.identity.security_enabled)
                if not each.bootstrap.engine:
                    self._directed[each.name] = DirectedBus(each, context)
                    continue
                self._buses[each.name] = Bus(each, context, self._alarm, self._entrance)
            for bus in self._buses.values():
                bus.start()
            self._listen(context)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything; deliveries and mediations under way get a second. Nothing is lost: what is not settled
        is there again after the next start.
        """
        with self._lock:
            activations, self._activations = list(self._activations.values()), {}
        end = time.monotonic() + STOP_GRACE
        if self._listeners is not None:
            self._listeners.stop(STOP_GRACE)
        for activation in activations:
            activation.stop(max(0.0, end - time.monotonic()))
        if self._alarm is not None:
            self._alarm.close()
        for bus in self._buses.values():
            bus.stop(max(0.0, end - time.monotonic()))

    def measurements(self) -> Iterable[Measurement]:
        """The figures of the chains, and how much is on each destination. Does not block."""
        listeners = self._listeners
        figures = [] if listeners is None else list(listeners.measurements())
        for bus in list(self._buses.values()):
            for destination in list(bus.engine.destinations.durable.values()):
                ready, out = destination.queue.counts()
                at = {"messaging.bus": bus.name, "messaging.destination.name": destination.name}
                for state, count in (("ready", ready), ("in delivery", out)):
                    figures.append(
                        Measurement(
                            "messaging.destination.messages",
                            Instrument.GAUGE,
                            count,
                            "{message}",
                            "Messages on the destination, as far as this process knows.",
                            {**at, "state": state},
                        )
                    )
        return figures

    def _listen(self, context: BootstrapContext) -> None:
        """Open the chains; what they need is loaded where there are any."""
        section = context.sections.get("chains") or {}
        if not section:
            return
        from connector_bus.chains.listener import ChainListeners
        from connector_bus.chains.settings import read_chains

        chains = list(read_chains(section).values())
        self._listeners = ChainListeners(
            chains, self._buses, self._directed, context.identity, context.container_name, context.tls.server_context
        )
        self._listeners.start()

    def check_sections(self, sections: Mapping[str, Any], identity: IdentityService) -> None:
        """Check `[buses]` and `[chains]` as `start` would. Blocks for the registry. Raises ConfigError."""
        read_buses(sections.get("buses") or {}, identity)
        if sections.get("chains"):
            from connector_bus.chains.settings import read_chains

            read_chains(sections["chains"])

    def check_resource(self, resource: str, properties: Mapping[str, Any], sections: Mapping[str, Any]) -> None:
        """That the bus which a resource names is there. Raises NameNotFound CF-BUS-016 or -464."""
        name, buses = str(properties.get("bus")), sections.get("buses") or {}
        commands.require_bus(name, buses)
        if buses[name].get("engine") is False:
            raise NameNotFound(NO_ENGINE, bus=name)

    def sections_changed(self, sections: Mapping[str, Any]) -> BusesChange | None:
        """What of a change of `[buses]` can be live: roles, new destinations, new buses (BUS-12).

        Blocks for the registry. Raises ConfigError with all mistakes.
        """
        context, alarm = self._context, self._alarm
        if context is None or alarm is None:
            return None
        before, after = self._section, sections.get("buses") or {}
        _checked(after, context.identity)  # with all mistakes, also of what waits
        live = live_section(before, after)

        def remember(*, in_force: bool) -> None:
            self._section = live if in_force else before
            self._direct(_checked(self._section, context.identity), context)

        def make(settings: BusSettings) -> Bus:
            return Bus(settings, context, alarm, self._entrance)

        wanted = {name: each for name, each in _checked(live, context.identity).items() if each.bootstrap.engine}
        chains = waiting_chains(context.sections.get("chains") or {}, sections.get("chains") or {})
        return BusesChange(self._buses, wanted, make, (*waiting(before, after), *chains), remember)

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> BusManagedConnectionFactory:
        """The factory of one resource. Raises NameNotFound CF-BUS-016 for an unknown bus."""
        return BusManagedConnectionFactory(resource, self._bus(properties))

    def validate_activation(self, spec: ActivationSpec) -> None:
        """Check that its bus is there, and its selector and topic fit.

        Raises NameNotFound CF-BUS-016, MessagingError CF-BUS-170 or -183.
        """
        self._bus(spec.properties)
        terms = _terms(spec)
        parse_pattern(terms.topic)
        if terms.selector is not None:
            parse_selector(terms.selector)

    def naming_reference(
        self, kind: NamingKind, resource: str, properties: Mapping[str, Any]
    ) -> NamingReference | None:
        """Clients outside come over the wire, with an adapter for that (CONF-6, CHAIN-8)."""
        told = ("bus", "provider_endpoints", "target_chain") if kind == "connection-factory" else ("bus", "name")
        return NamingReference(kind, "amqp", {key: properties[key] for key in told if key in properties})

    def activate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """Begin to deliver messages of a queue or a subscription to a handler, under the identities in the messages.

        Blocks for the registry. Raises SignOnError CF-BUS-010, LoginRefused CF-BUS-011, AccessDenied CF-BUS-012 or
        -021, NameNotFound CF-BUS-016 or -030, MessagingError CF-BUS-170 or -171 (CHAIN-6).
        """
        destination = str(spec.properties.get("destination"))
        with self._lock:
            before = self._leaving.get((endpoint_factory, spec))
        activation = Activation(self._bus(spec.properties), destination, endpoint_factory, _terms(spec), before)
        activation.start()
        with self._lock:
            self._leaving.pop((endpoint_factory, spec), None)
            self._activations[endpoint_factory, spec] = activation

    def deactivate_endpoint(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> None:
        """End it; blocks for at most five seconds for deliveries under way. Harmless when it is not active."""
        with self._lock:
            activation = self._activations.pop((endpoint_factory, spec), None)
        if activation is not None and not activation.stop(DEACTIVATION_GRACE):
            with self._lock:
                self._leaving[endpoint_factory, spec] = activation
            _LOG.warning("%s is still delivering; its messages are settled when it ends", spec.resource)

    def activation_health(self, endpoint_factory: MessageEndpointFactory, spec: ActivationSpec) -> ActivationHealth:
        """Whether messages reach the handler, when the store last answered, what deliveries wait for. No blocking."""
        with self._lock:
            activation = self._activations.get((endpoint_factory, spec))
        return ActivationHealth(subscribed=False) if activation is None else activation.health()

    def run_command(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """`show`, `messages`, `explain` or `diff`. Raises MessagingError CF-BUS-060 or -061, NameNotFound."""
        return commands.run(command, arguments, self._buses)

    def users_changed(self) -> None:
        """Have connections, consumers and links ask again who their users are. Blocks for the registry."""
        for bus in list(self._buses.values()):
            bus.users_changed()

    def findings(self) -> Iterable[PostureFinding]:
        """Security without effect, wide roles, holders that have vanished, grants without effect, plain chains.

        Blocks for the registry.
        """
        buses = list(self._buses.values())
        return (*posture.findings(buses), *self._chain_findings([*buses, *self._directed.values()]))

    def duties(self) -> Iterable[Duty]:
        """Whom the buses trust with what: to assert callers, to sign links on, to be who mediations send as."""
        return duties(self._buses.values())

    def _chain_findings(self, buses: list[Bus | DirectedBus]) -> Iterable[PostureFinding]:
        section = {} if self._context is None else self._context.sections.get("chains") or {}
        if not section:
            return ()
        from connector_bus.adapter.posture_chains import chain_findings
        from connector_bus.chains.settings import read_chains

        return chain_findings(read_chains(section).values(), buses, self._asks_for_certificates)

    def _asks_for_certificates(self, tls: str) -> bool:
        assert self._context is not None
        try:
            return self._context.tls.server_context(tls).verify_mode is ssl.CERT_REQUIRED
        except ConfigError:  # it can't be used, which is reported as that
            return True

    def _direct(self, settings: Mapping[str, BusSettings], context: BootstrapContext) -> None:
        """What is known of buses whose engines are elsewhere is this from now on."""
        wanted = {name: each for name, each in settings.items() if not each.bootstrap.engine}
        for name in [name for name in self._directed if name not in wanted]:
            del self._directed[name]
        for name, each in wanted.items():
            known = self._directed.get(name)
            if known is None:
                self._directed[name] = DirectedBus(each, context)
            else:
                known.reconfigure(each)

    def _entrance(self, name: str) -> LinkEntrance | None:
        """Where the links of this container's own buses come in."""
        bus = self._buses.get(name)
        return None if bus is None else bus.links.receiver

    def _bus(self, properties: Mapping[str, Any]) -> Bus:
        name = str(properties.get("bus"))
        if name in self._directed:
            raise NameNotFound(NO_ENGINE, bus=name)
        return commands.find_bus(self._buses, name)

    def __repr__(self) -> str:
        return f"<BusResourceAdapter with buses {', '.join(sorted(self._buses)) or 'none'}>"


def _terms(spec: ActivationSpec) -> Terms:
    """What an activation says of a subscription; for a queue only the selector counts."""
    given = spec.properties
    name, selector = given.get("subscription"), given.get("selector")
    return Terms(
        topic=str(given.get("topic") or "#"),
        name=str(name) if name else None,
        durable=bool(given.get("durable")),
        shared=bool(given.get("shared")),
        selector=str(selector) if selector else None,
    )


def _checked(section: Mapping[str, Any], identity: IdentityService) -> dict[str, BusSettings]:
    """The section once `check_sections` has looked at it: whoever has left and still holds a role is no mistake now."""
    return read_buses(section, identity, vanished=[])


def _warn(settings: BusSettings, *, admin_security: bool) -> None:
    """Every start says what is open (CONF-4, BUS-4)."""
    if not settings.security:
        _LOG.warning("bus %s is not secured: no role is checked, messages carry no identity", settings.name)
    elif not admin_security:
        _LOG.warning("the security of bus %s has no effect: administrative security is off", settings.name)
