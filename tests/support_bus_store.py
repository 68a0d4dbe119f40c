"""Messages at rest, for tests of the stores of a bus."""

from __future__ import annotations

from connector.spi import Message, UserPrincipal
from connector_bus.engine.intake import Stamp, stamped
from connector_bus.store.record import StoredMessage


def message(sequence: int, body: object = "x", destination: str = "q") -> StoredMessage:
    """A message with something in every header."""
    stamp = Stamp(sequence, f"ID:{sequence}", UserPrincipal("alice", "weather"), 1.0, destination, mediated=True)
    return stamped(Message(body, {"n": 1}, reply_to="r", expires_at=9.5, priority=7, group="g"), stamp)
