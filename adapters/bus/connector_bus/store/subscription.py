"""A subscription as a store keeps it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from connector.spi import Principal
from connector_bus.store.record import kind_of, principal_of


@dataclass(frozen=True, slots=True)
class StoredSubscription:
    """What is known of a subscription whether anybody is connected or not.

    Attributes:
        place: The name of its queue; unique on the bus.
        space: The topic space.
        through: The name that the topic space was asked for by: an alias, or its own. Roles are asked about by it.
        name: Its name; None for one that only its consumer knows.
        pattern: Which topics.
        selector: Which of their messages; None for all.
        owner: Who made it, and alone may use and delete it; messages are checked against this one's rights.
        durable: Whether it outlives its consumers, and the process.
        shared: Whether several consumers may share it.
        engine: In a shared store: the engine that one belongs to which isn't durable, else None.
        made_at: When it was made, in seconds since 1970.
        no_local: What is published by whoever goes by this name does not come; None where everything does.
    """

    place: str
    space: str
    through: str
    name: str | None
    pattern: str
    selector: str | None
    owner: Principal
    durable: bool
    shared: bool
    engine: str | None
    made_at: float
    no_local: str | None = None


def subscription_row(record: StoredSubscription) -> dict[str, Any]:
    """The values of its row."""
    return {
        "place": record.place,
        "space": record.space,
        "through": record.through,
        "name": record.name,
        "pattern": record.pattern,
        "selector": record.selector,
        "owner_kind": kind_of(record.owner),
        "owner_name": record.owner.name,
        "owner_realm": record.owner.realm,
        "durable": record.durable,
        "shared": record.shared,
        "engine": record.engine,
        "made_at": record.made_at,
        "no_local": record.no_local,
    }


def subscription_of(row: Mapping[str, Any]) -> StoredSubscription:
    """The subscription of a row."""
    return StoredSubscription(
        row["place"],
        row["space"],
        row["through"],
        row["name"],
        row["pattern"],
        row["selector"],
        principal_of(row["owner_kind"], row["owner_name"], row["owner_realm"]),
        bool(row["durable"]),
        bool(row["shared"]),
        row["engine"],
        row["made_at"],
        row["no_local"],
    )
