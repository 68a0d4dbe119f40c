"""The links of a bus for whoever looks after them: listed, shown, stopped and started (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_bus.adapter.bus import Bus

#: Seconds that the batch under way gets when a link is stopped.
STOP_GRACE = 2.0


def links(bus: Bus) -> dict[str, Any]:
    """All links of the bus."""
    return {"bus": bus.name, "links": bus.links.shown()}


def link(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """One link. Raises NameNotFound CF-BUS-215."""
    return {"bus": bus.name, **bus.links.show(str(arguments.get("link")))}


def start(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Have a link send, or try at once where it waits after a failure. Raises NameNotFound CF-BUS-215."""
    sender = bus.links.sender(str(arguments.get("link")))
    sender.stop(STOP_GRACE)
    sender.start()
    return link(arguments, bus)


def stop(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Have a link send nothing until it is started, or the container is. Blocks for the batch under way.

    Raises NameNotFound CF-BUS-215.
    """
    bus.links.sender(str(arguments.get("link"))).stop(STOP_GRACE)
    return link(arguments, bus)
