"""What a client hears when it opens its connection: it is on its bus, it is to go elsewhere, or why it can't."""

from __future__ import annotations

from typing import Any, Final

from connector_bus.chains.admission import Direction
from connector_bus.chains.bus_side import BusSide
from connector_bus.chains.conditions import REDIRECT, Refusal
from connector_bus.chains.refusing import refuse, symbols
from connector_bus.chains.sole_connection import CAPABILITY as SOLE_CONNECTION
from connector_bus.store.amqp_content import load_proton

_CAPABILITIES: Final = ("ANONYMOUS-RELAY", "DELAYED_DELIVERY", "SHARED-SUBS", SOLE_CONNECTION)


def welcome(connection: Any, side: BusSide) -> None:
    """Open our side of the library's connection: the client is on its bus."""
    proton, name = load_proton(), side.bus.name
    connection.offered_capabilities = proton.SymbolList(list(_CAPABILITIES))
    properties: dict[str, Any] = {"product": "connector-framework", "bus": name}
    if side.chain.failover:
        properties["failover-server-list"] = [symbols(place.described(name)) for place in side.chain.failover]
    connection.properties = proton.PropertyDict(properties)
    connection.open()


def turn_away(connection: Any, refusal: Refusal) -> None:
    """Refuse a connection that has just come."""
    _open_to_close(connection)
    refuse(connection, refusal)


def redirect(connection: Any, direction: Direction) -> None:
    """Tell whoever may have the bus where to get it."""
    _open_to_close(connection)
    bus, place = direction.bus, direction.place
    text = f"Bus {bus} is served at {place}."
    connection.condition = load_proton().Condition(REDIRECT, text, symbols(place.described(bus)))
    connection.close()


def _open_to_close(connection: Any) -> None:
    """It is said with the open, so that clients don't take the connection for good before the close comes."""
    proton = load_proton()
    connection.properties = proton.PropertyDict({proton.symbol("amqp:connection-establishment-failed"): True})
    connection.open()


def text_property(connection: Any, wanted: str) -> str | None:
    """What a client says in a property of its open; None for nothing."""
    for name, value in (connection.remote_properties or {}).items():
        if str(name) == wanted and isinstance(value, str) and value:
            return str(value)
    return None
