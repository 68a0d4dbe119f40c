"""The figures of a chain, as metrics tell them (OPS-2)."""

from __future__ import annotations

from collections.abc import Iterator

from connector.spi import Instrument, Measurement
from connector_bus.chains.crowd import REFUSALS, Crowd


def figures(crowd: Crowd, connections: int) -> Iterator[Measurement]:
    """What a chain has done since the start, and who is connected now. Does not block; safe from any thread."""
    at = {"messaging.chain": crowd.chain.name}
    yield Measurement(
        "messaging.chain.connections",
        Instrument.GAUGE,
        connections,
        "{connection}",
        "Clients that are connected over the chain.",
        at,
    )
    yield Measurement(
        "messaging.chain.memory",
        Instrument.GAUGE,
        crowd.memory.used,
        "By",
        "What messages of clients take in memory until they are stored.",
        at,
    )
    yield Measurement(
        "messaging.chain.accepted",
        Instrument.COUNTER,
        crowd.let_in,
        "{connection}",
        "Clients that were let onto a bus.",
        at,
    )
    yield Measurement(
        "messaging.chain.redirected",
        Instrument.COUNTER,
        crowd.sent_on,
        "{connection}",
        "Clients that were told where else to get their bus.",
        at,
    )
    for why in REFUSALS:
        yield Measurement(
            "messaging.chain.refused",
            Instrument.COUNTER,
            crowd.refused[why],
            "{connection}",
            "Clients that were not let in.",
            {**at, "reason": why},
        )
