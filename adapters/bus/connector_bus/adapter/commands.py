"""The bus's administrative operations, as plain data (BUS-12, BUS-16). The container has checked the admin role."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any

from connector.errors import MessagingError, NameNotFound, Reason
from connector.spi import UNAUTHENTICATED, Message
from connector_bus.adapter import exception_commands, link_commands, policy_commands, subscription_commands
from connector_bus.adapter.bus import Bus
from connector_bus.engine.destination import Destination

BUS_UNKNOWN = Reason(
    "CF-BUS-016", "there is no bus {bus}; there are: {known}", "Define it under [buses], or correct the name."
)
COMMAND_UNKNOWN = Reason("CF-BUS-060", "the bus adapter has no command {command}", "There are: {known}.")


def find_bus(buses: Mapping[str, Bus], name: str) -> Bus:
    """The bus of a name. Raises NameNotFound CF-BUS-016."""
    require_bus(name, buses)
    return buses[name]


def require_bus(name: str, buses: Collection[str]) -> None:
    """Raise NameNotFound CF-BUS-016 where no bus has the name."""
    if name not in buses:
        raise NameNotFound(BUS_UNKNOWN, bus=name, known=", ".join(sorted(buses)) or "none")


def run(command: str, arguments: Mapping[str, Any], buses: Mapping[str, Bus]) -> Any:
    """Carry one out. Raises MessagingError CF-BUS-060, NameNotFound CF-BUS-016 or -030, and what it raises itself."""
    operation = _OPERATIONS.get(command.removeprefix("bus."))
    if operation is None:
        raise MessagingError(COMMAND_UNKNOWN, command=command, known=", ".join(sorted(_OPERATIONS)))
    return operation(arguments, buses)


def _show(arguments: Mapping[str, Any], buses: Mapping[str, Bus]) -> Any:
    wanted = arguments.get("bus")
    shown = buses.values() if wanted is None else [find_bus(buses, str(wanted))]
    return {"buses": [_shown(bus) for bus in shown]}


def _shown(bus: Bus) -> dict[str, Any]:
    destinations = []
    for destination in bus.engine.destinations.durable.values():
        ready, in_delivery = destination.queue.counts()
        unmediated = 0 if destination.unmediated is None else sum(destination.unmediated.counts())
        destinations.append(
            {
                "name": destination.name,
                "type": "queue" if destination.settings is None else str(destination.settings.kind),
                "depth": ready,
                "in_delivery": in_delivery,
                "awaiting_mediation": unmediated,
                "delayed": _delayed(destination),
                "max_depth": None if destination.settings is None else destination.settings.max_depth,
            }
        )
    return {
        "bus": bus.name,
        "security": bus.access.active,
        "security_state": str(bus.access.state),
        "policy_version": bus.access.version,
        "exception_destination": bus.settings.exception_destination,
        "destinations": destinations,
        "discarded_replies": bus.engine.discarded_replies,
        "expired": bus.engine.expired,
        "dropped": bus.engine.dropped,
    }


def _delayed(destination: Destination) -> int:
    sides = (destination.queue, destination.unmediated)
    return sum(side.delayed for side in sides if side is not None)


def _messages(arguments: Mapping[str, Any], buses: Mapping[str, Bus]) -> Any:
    bus = find_bus(buses, str(arguments.get("bus")))
    name = str(arguments.get("destination") or bus.settings.exception_destination)
    destination = bus.engine.destinations.get(bus.engine.destinations.route(name).name)
    messages = [_listed(message) for message in bus.engine.peek(destination)]
    return {"bus": bus.name, "destination": name, "messages": messages}


def _listed(message: Message) -> dict[str, Any]:
    """Without the body: administering a bus is no right to read what people send on it."""
    return {
        "message_id": message.message_id,
        "identity": str(message.identity or UNAUTHENTICATED),
        "timestamp": message.timestamp,
        "reply_to": message.reply_to,
        "correlation_id": message.correlation_id,
        "priority": message.priority,
        "delivery_count": message.delivery_count,
        "properties": dict(message.properties),
    }


def _on_bus(work: Callable[[Mapping[str, Any], Bus], Any]) -> Callable[[Mapping[str, Any], Mapping[str, Bus]], Any]:
    """An operation on one bus, which its argument `bus` names."""
    return lambda arguments, buses: work(arguments, find_bus(buses, str(arguments.get("bus"))))


_OPERATIONS: dict[str, Callable[[Mapping[str, Any], Mapping[str, Bus]], Any]] = {
    "show": _show,
    "messages": _messages,
    "explain": _on_bus(policy_commands.explain),
    "diff": _on_bus(policy_commands.diff),
    "exceptions": _on_bus(exception_commands.exceptions),
    "exception": _on_bus(exception_commands.exception),
    "replay": _on_bus(exception_commands.replay),
    "discard": _on_bus(exception_commands.discard),
    "links": _on_bus(lambda _arguments, bus: link_commands.links(bus)),
    "link": _on_bus(link_commands.link),
    "link_start": _on_bus(link_commands.start),
    "link_stop": _on_bus(link_commands.stop),
    "route": _on_bus(link_commands.route),
    "subscriptions": _on_bus(subscription_commands.subscriptions),
    "subscription": _on_bus(subscription_commands.subscription),
    "delete_subscription": _on_bus(subscription_commands.delete_subscription),
}
