"""The links of one bus, started, changed and stopped with it (BUS-9, BUS-14)."""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from connector.errors import NameNotFound, Reason
from connector.spi import BootstrapContext, ServerPrincipal
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.engine.ways_out import WaysOut
from connector_bus.links.contract import LinkEntrance, LinkTransport
from connector_bus.links.exploration import RouteExplorer
from connector_bus.links.in_process import InProcessTransport
from connector_bus.links.local import LocalTransport
from connector_bus.links.local_listener import LocalListener
from connector_bus.links.network import NetworkTransport
from connector_bus.links.receiver import LinkReceiver
from connector_bus.links.returned import Returns
from connector_bus.links.sender import LinkSender
from connector_bus.settings import BusSettings, LinkSettings, transmission_queue
from connector_bus.settings import LinkTransport as Kind
from connector_bus.store.amqp_content import load_proton

if TYPE_CHECKING:
    from connector_bus.links.broker.inlet import BrokerInlet

LINK_UNKNOWN = Reason(
    "CF-BUS-215", "bus {bus} has no link to {link}; there are: {known}", "Correct the name, or define the link."
)

#: Seconds that what is being received gets when that ends.
INLET_GRACE = 3.0
#: Finds the entrance of a bus of this container.
FindBus = Callable[[str], LinkEntrance | None]


@final
class BusLinks:
    """All links of one bus. Safe to use from any thread; one change at a time.

    Args:
        engine: The engine.
        failures: Makes the faults.
        context: The container.
        server: The engine's own identity.
        find: The other buses of this container.

    Mutable state: `_senders`, replaced as a whole, and `_inlets`, under `_lock`.
    """

    def __init__(
        self,
        engine: BusEngine,
        failures: FailureHandling,
        context: BootstrapContext,
        server: ServerPrincipal,
        find: FindBus,
    ) -> None:
        self._engine = engine
        self._context = context
        self._find = find
        self.explorer = RouteExplorer(engine, lambda bus, question: self.sender(bus).explore(question))
        self.receiver = LinkReceiver(
            engine, failures, server, context.identity, context.authentication_data, self.explorer
        )
        self._returns = Returns(engine, failures)
        self._lock = threading.Lock()
        self._senders: dict[str, LinkSender] = {}
        self._inlets: dict[str, BrokerInlet] = {}
        path = engine.settings.link_socket
        self._listener = None if path is None else LocalListener(engine.name, self._path(path), self.receiver)

    def start(self) -> None:
        """Listen, and begin to send. Raises MessagingError CF-BUS-214."""
        if self._listener is not None:
            self._listener.start()
        self.reconfigure(self._engine.settings)

    def stop(self, grace: float) -> None:
        """End all links; what is under way gets `grace` seconds together."""
        end = time.monotonic() + grace
        for inlet in list(self._inlets.values()):
            inlet.stop(max(0.0, end - time.monotonic()))
        for sender in self._senders.values():
            sender.stop(max(0.0, end - time.monotonic()))
        if self._listener is not None:
            self._listener.stop()

    def reconfigure(self, settings: BusSettings) -> None:
        """Put other ways to other buses in force: new links begin, changed ones sign on again, gone ones end.

        The queue of a link that is gone keeps its messages in the store, for a link of that name that may come again.
        """
        self._engine.destinations.ways = WaysOut(self._engine.name, settings.ways)
        wanted = {name: way.link for name, way in settings.ways.items() if way.link is not None}
        with self._lock:
            present = dict(self._senders)
            self._senders = {name: present.get(name) or self._make(name, link) for name, link in wanted.items()}
        for name, link in wanted.items():
            sender = self._senders[name]
            if name not in present:
                if link.enabled:
                    sender.start()
            elif sender.settings != link:
                sender.change(link, self._transport(name, link))
                self.receiver.end(name)
        for name in present.keys() - wanted.keys():
            present[name].stop(0.0)
            self.receiver.end(name)
        self._receive(wanted)

    def _receive(self, wanted: Mapping[str, LinkSettings]) -> None:
        """Receive from brokers by these links; what is received otherwise ends."""
        with self._lock:
            ended = [
                self._inlets.pop(name) for name, each in list(self._inlets.items()) if wanted.get(name) != each.link
            ]
        for each in ended:
            each.stop(INLET_GRACE)
        for name, link in wanted.items():
            if link.receive and link.enabled and name not in self._inlets:
                self.start_receiving(name)

    def start_receiving(self, bus: str) -> None:
        """Receive over a link what it has to receive, if anything. Raises NameNotFound CF-BUS-215."""
        link = self.sender(bus).settings
        if not link.receive:
            return
        from connector_bus.links.broker.inlet import BrokerInlet

        context = self._context
        inlet = BrokerInlet(
            self._engine.name,
            bus,
            link,
            name=context.container_name,
            receiver=self.receiver,
            contexts=self._tls,
            authentication_data=context.authentication_data,
            clock=context.clock,
        )
        with self._lock:
            if bus in self._inlets:
                return
            self._inlets[bus] = inlet
        inlet.start()

    def stop_receiving(self, bus: str) -> None:
        """Receive nothing more over a link until it is started. Blocks for what is being stored."""
        with self._lock:
            inlet = self._inlets.pop(bus, None)
        if inlet is not None:
            inlet.stop(INLET_GRACE)

    def sender(self, bus: str) -> LinkSender:
        """The sending end of a link. Raises NameNotFound CF-BUS-215."""
        sender = self._senders.get(bus)
        if sender is None:
            known = ", ".join(sorted(self._senders)) or "none"
            raise NameNotFound(LINK_UNKNOWN, bus=self._engine.name, link=bus, known=known)
        return sender

    def shown(self) -> list[dict[str, Any]]:
        """All links as plain data, by name."""
        return [self.show(name) for name in sorted(self._senders)]

    def show(self, bus: str) -> dict[str, Any]:
        """One link as plain data. Raises NameNotFound CF-BUS-215."""
        sender = self.sender(bus)
        link, state = sender.settings, sender.state()
        queue = self._engine.destinations.get(transmission_queue(bus)).queue
        waiting, in_delivery = queue.counts()
        return {
            "link": bus,
            "state": state.state,
            "code": state.code or None,
            "text": state.text or None,
            "waiting": waiting + in_delivery,
            "sent": state.sent,
            "refused": state.refused,
            "transport": str(link.transport),
            "endpoint": state.endpoint or None,
            "failed_at": state.failed_at,
            "retry_in": None if state.retry_in is None else round(state.retry_in, 1),
            "address": link.address,
            "endpoints": [f"[{host}]:{port}" if ":" in host else f"{host}:{port}" for host, port in link.endpoints],
            "chain": link.chain or None,
            "tls": link.tls,
            "alias": link.alias,
            "certificate_user": link.certificate_user,
            "outbound_user": link.outbound_user,
            "inbound_user": link.inbound_user,
            "exception_destination": link.exception_destination or self._engine.settings.exception_destination,
            "topic_spaces": dict(link.topic_spaces),
            "sessions_from_there": self.receiver.sessions(bus),
            "receives": self._shown_inlet(bus, link),
        }

    def _shown_inlet(self, bus: str, link: LinkSettings) -> dict[str, Any] | None:
        """What is received from a broker; None where nothing is to be."""
        if not link.receive:
            return None
        inlet = self._inlets.get(bus)
        if inlet is None:
            return {"from": dict(link.receive), "state": "stopped"}
        state = inlet.state()
        return {
            "from": dict(link.receive),
            "state": state.state,
            "code": state.code or None,
            "text": state.text or None,
            "endpoint": state.endpoint or None,
            "received": state.received,
            "retry_in": None if state.retry_in is None else round(state.retry_in, 1),
        }

    def _make(self, bus: str, link: LinkSettings) -> LinkSender:
        context = self._context
        return LinkSender(
            self._engine,
            bus,
            link,
            self._transport(bus, link),
            name=context.container_name,
            realm=context.identity.realm,
            authentication_data=context.authentication_data,
            work_manager=context.work_manager,
            returns=self._returns,
        )

    def _transport(self, bus: str, link: LinkSettings) -> LinkTransport:
        if link.transport is Kind.LOCAL:
            assert link.address is not None
            return LocalTransport(self._path(link.address))
        if link.transport is Kind.CHAIN:
            return NetworkTransport(link, self._tls)
        if link.transport is Kind.AMQP:
            load_proton()
            from connector_bus.links.broker.outlet import BrokerTransport

            return BrokerTransport(bus, link, self._tls)
        return InProcessTransport(self._find)

    def _tls(self, name: str) -> ssl.SSLContext:
        return self._context.tls.client_context(name)

    def _path(self, written: str) -> Path:
        """A relative path is within the adapter's state folder."""
        return self._context.state_folder / written
