"""How a client is told no, and why: at a connection, at a link, for a message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_bus.chains.conditions import Refusal
from connector_bus.store.amqp_content import load_proton


def refuse(endpoint: Any, refusal: Refusal) -> None:
    """End a connection or a link that is open, and say why."""
    proton = load_proton()
    info = None if refusal.field is None else symbols({"invalid-field": proton.symbol(refusal.field)})
    endpoint.condition = proton.Condition(refusal.condition, refusal.description, info)
    endpoint.close()


def refuse_link(link: Any, refusal: Refusal) -> None:
    """Attach without a terminus and detach with the reason, both at once: else clients wait for the second."""
    link.source.type = link.target.type = link.source.UNSPECIFIED
    link.open()
    refuse(link, refusal)


def reject(delivery: Any, refusal: Refusal) -> None:
    """Refuse one message of a client, and say why."""
    delivery.local.condition = load_proton().Condition(refusal.condition, refusal.description)
    delivery.update(delivery.REJECTED)
    delivery.settle()


def symbols(fields: Mapping[str, Any]) -> dict[Any, Any]:
    """A map whose keys are symbols, as AMQP has it for properties."""
    symbol = load_proton().symbol
    return {symbol(name): value for name, value in fields.items()}
