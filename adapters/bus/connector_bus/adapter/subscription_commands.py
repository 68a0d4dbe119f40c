"""Subscriptions for whoever looks after a bus: listed, shown, deleted (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_bus.adapter.bus import Bus
from connector_bus.engine.rooms import depth
from connector_bus.engine.subscription import Subscription


def subscriptions(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """All subscriptions of a bus, or of one topic space, with who made them and how many messages wait."""
    space = arguments.get("destination")
    listed = [_listed(each) for each in bus.engine.topics.all() if space in (None, each.record.space)]
    return {"bus": bus.name, "subscriptions": listed}


def subscription(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """One by its name. Raises NameNotFound CF-BUS-191."""
    found = bus.engine.topics.named(str(arguments.get("subscription")))
    ready, in_delivery = found.destination.queue.counts()
    return {
        **_listed(found),
        "ready": ready,
        "in_delivery": in_delivery,
        "through": found.record.through,
        "made": found.record.made_at,
        "queue": found.place,
    }


def delete_subscription(arguments: Mapping[str, Any], bus: Bus) -> dict[str, Any]:
    """Delete one with all that waits on it, whoever made it; answers what it was.

    Raises NameNotFound CF-BUS-191, MessagingError CF-BUS-190 while it is in use.
    """
    name = str(arguments.get("subscription"))
    deleted = _listed(bus.engine.topics.named(name))
    bus.engine.topics.delete(name)
    return {"bus": bus.name, "deleted": deleted}


def _listed(each: Subscription) -> dict[str, Any]:
    record = each.record
    return {
        "name": record.name,
        "topic_space": record.space,
        "topic": record.pattern,
        "selector": record.selector,
        "owner": str(record.owner),
        "durable": record.durable,
        "shared": record.shared,
        "consumers": each.consumers,
        "depth": depth(each.destination),
        "engine": record.engine,
    }
