"""What `connector check` says of transport chains: plain ones that take passwords, unused ones (CHAIN-2)."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Iterable, Iterator
from typing import Literal

from connector.errors import Reason
from connector.spi import PostureFinding
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.adapter.directed_bus import DirectedBus
from connector_bus.chains.settings import ChainSettings, is_permitted

PASSWORD_ON_THE_WAY = Reason(
    "CF-BUS-140",
    "chain {chain} is in plain text, listens on {host} and takes passwords for bus {bus}, which is secured",
    'Give the chain a TLS configuration, or take it out of permitted_chains of the bus ("tls-only").',
)
CHAIN_UNKNOWN = Reason(
    "CF-BUS-141",
    "bus {bus} permits chain {chain}, which is not there",
    "Correct permitted_chains, or define the chain in [chains].",
)
CHAIN_UNUSED = Reason(
    "CF-BUS-142",
    "chain {chain} listens and no bus takes clients over it",
    "Add it to permitted_chains of a bus, or set enabled = false.",
)


ANY_MACHINE = Reason(
    "CF-BUS-420",
    "chain {chain} takes clients without a certificate for bus {bus}: user and password alone decide who gets in",
    'Where each client machine is to be known, name a TLS configuration with client_authentication = "required".',
)


def chain_findings(
    chains: Iterable[ChainSettings],
    buses: Iterable[Bus | DirectedBus],
    asks: Callable[[str], bool] = lambda _tls: True,
) -> Iterator[PostureFinding]:
    """All findings; a plain chain that only this machine reaches is a note.

    Args:
        chains: The chains.
        buses: The buses.
        asks: Whether a TLS configuration, by its name, requires certificates of clients.
    """
    every = list(chains)
    listening = [chain for chain in every if chain.enabled]
    open_to: dict[str, int] = {chain.name: 0 for chain in listening}
    for bus in buses:
        permitted = bus.settings.permitted_chains
        place = f"buses.{key(bus.name)}.permitted_chains"
        if not isinstance(permitted, str):
            for name in sorted(set(permitted) - {chain.name for chain in every}):
                yield PostureFinding("warning", CHAIN_UNKNOWN, place, {"bus": bus.name, "chain": name})
        for chain in listening:
            if not is_permitted(permitted, chain):
                continue
            open_to[chain.name] += 1
            if bus.access.active and not chain.is_secure and not chain.redirect_to:
                details = {"chain": chain.name, "host": chain.host, "bus": bus.name}
                severity: Literal["note", "warning"] = "note" if stays_here(chain.host) else "warning"
                yield PostureFinding(severity, PASSWORD_ON_THE_WAY, f"chains.{key(chain.name)}", details)
            if bus.access.active and chain.tls is not None and not chain.redirect_to and not asks(chain.tls):
                details = {"chain": chain.name, "bus": bus.name}
                yield PostureFinding("note", ANY_MACHINE, f"chains.{key(chain.name)}.tls", details)
    for chain in listening:
        if not open_to[chain.name] and not chain.redirect_to:
            yield PostureFinding("warning", CHAIN_UNUSED, f"chains.{key(chain.name)}", {"chain": chain.name})


def stays_here(host: str) -> bool:
    """Whether an address is this machine's own: nobody else listens on the way. Pure."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
