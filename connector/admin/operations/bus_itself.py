"""Operations on buses as a whole: which there are, adding and removing one, the chains that it permits (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.admin.bus_shape import SECTION, bus_table
from connector.admin.operations.bus_resources import settings_in
from connector.admin.operations.bus_roles import buses_of
from connector.admin.operations.configuration import changed
from connector.admin.operations.request import Request
from connector.admin.operations.target import Target
from connector.container.configuration.surgery import Edit, SetValue, Unset
from connector.errors import ConfigError, NameNotFound, Reason

CHAIN_NOT_DEFINED = Reason(
    "CF-ADM-088", "there is no chain {chain!r}; there are: {known}.", "Correct the name, or define [chains.{chain}]."
)
PERMITTED_AS_A_WHOLE = Reason(
    "CF-ADM-089",
    "bus {bus} permits {found}: one chain can't be taken out of that.",
    "Say which it is to permit: `connector bus chains permit {bus} CHAIN`, or "
    "`connector config set buses.{bus}.permitted_chains tls-only`.",
)

PERMITTED = "permitted_chains"
#: What stands for chains that nobody has listed.
_WHOLE = ("all", "tls-only")


def list_buses(target: Target, _request: Request) -> list[dict[str, Any]]:
    """The buses that are configured, with the switch of their security and how many destinations they have."""
    buses = buses_of(target)[SECTION]
    return [
        {
            "name": name,
            "security": bool(table.get("security", True)),
            "destinations": len(table.get("destinations") or ()),
            PERMITTED: _permitted(table),
        }
        for name, table in sorted(buses.items())
    ]


def add_bus(target: Target, request: Request) -> dict[str, Any]:
    """Add a bus, with settings as KEY=VALUE; harmless where it is there as it is wanted.

    A new one is secured unless the settings say otherwise, and only the container itself may connect (BUS-4). Raises
    ConfigError (CF-ADM-086), and what the adapter has against it.
    """
    name = request.arguments.text("bus")
    wanted = settings_in(request.arguments)

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        if not wanted:
            return [] if name in (data.get(SECTION) or ()) else [SetValue((SECTION, name), {})]
        return [SetValue((SECTION, name, *key), value) for key, value in wanted.items()]

    return changed(target, request, decide)


def remove_bus(target: Target, request: Request) -> dict[str, Any]:
    """Take a bus out, with its roles and destinations; its store stays. Raises NameNotFound (CF-ADM-083)."""
    name = request.arguments.text("bus")

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        bus_table(data, name)
        return [Unset((SECTION, name))]

    return changed(target, request, decide)


def list_chains(target: Target, request: Request) -> dict[str, Any]:
    """The chains that there are, and whether the bus takes clients over them."""
    bus = request.arguments.text("bus")
    table = bus_table(buses_of(target), bus)
    said: Mapping[str, Any] = target.configuration.get()["value"]
    permitted = _permitted(table)
    chains = [
        {
            "chain": name,
            "tls": chain.get("tls"),
            "enabled": bool(chain.get("enabled", True)),
            "permitted": _takes(permitted, name, chain),
        }
        for name, chain in sorted((said.get("chains") or {}).items())
    ]
    return {"bus": bus, PERMITTED: permitted, "chains": chains}


def permit_chain(target: Target, request: Request) -> dict[str, Any]:
    """Have a bus take clients over a chain. Where chains of a kind are permitted, the list begins with those it has.

    Raises NameNotFound (CF-ADM-083, -088).
    """
    bus, chain = request.arguments.text("bus"), request.arguments.text("chain")

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        permitted = _permitted(bus_table(data, bus))
        chains = data.get("chains") or {}
        if chain not in chains:
            raise NameNotFound(CHAIN_NOT_DEFINED, chain=chain, known=", ".join(sorted(chains)) or "none")
        if _takes(permitted, chain, chains[chain]):
            return []
        listed = [name for name in chains if _takes(permitted, name, chains[name])]
        wanted = [*(listed if isinstance(permitted, str) else permitted), chain]
        return [SetValue((SECTION, bus, PERMITTED), wanted)]

    return changed(target, request, decide)


def forbid_chain(target: Target, request: Request) -> dict[str, Any]:
    """Have a bus take no clients over a chain. Raises NameNotFound (CF-ADM-083), ConfigError (CF-ADM-089)."""
    bus, chain = request.arguments.text("bus"), request.arguments.text("chain")

    def decide(data: Mapping[str, Any]) -> list[Edit]:
        permitted = _permitted(bus_table(data, bus))
        chains = data.get("chains") or {}
        if isinstance(permitted, str):
            if chain in chains and _takes(permitted, chain, chains[chain]):
                raise ConfigError(PERMITTED_AS_A_WHOLE, bus=bus, found=permitted)
            return []
        kept = [each for each in permitted if each != chain]
        return [] if kept == permitted else [SetValue((SECTION, bus, PERMITTED), kept)]

    return changed(target, request, decide)


def _permitted(table: Mapping[str, Any]) -> str | list[str]:
    """As the adapter reads it: a secured bus takes protected chains only unless it says otherwise (CHAIN-2)."""
    said = table.get(PERMITTED)
    if said is None:
        return "tls-only" if table.get("security", True) else "all"
    listed = [said] if isinstance(said, str) else list(said)
    return listed[0] if len(listed) == 1 and listed[0] in _WHOLE else listed


def _takes(permitted: str | list[str], name: str, chain: Mapping[str, Any]) -> bool:
    if permitted == "all":
        return True
    return chain.get("tls") is not None if permitted == "tls-only" else name in permitted
