"""Finding a bus: which server may direct its clients, and to which engine (CHAIN-1, CHAIN-8). Pure.

A client reaches some server, signs on, and names bus and target chain. The server serves it, where it has the bus and
the client came over the target chain; else it sends the client on:

| the bus has an engine here | target chain | the client |
|---|---|---|
| yes | none, or the one it came over | is served |
| yes | another one of this server | is sent to that one |
| yes | none of this server | is sent to a member that has it |
| no, and the policy lets this server direct | any | is sent to a member that has it |
| no | | is refused |

Never from a chain with TLS to one without, and never to a chain that the bus does not permit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from connector_bus.chains.place import Place


class BootstrapPolicy(StrEnum):
    """Which servers may direct clients to the engines of a bus."""

    ANY = "any"
    MEMBERS_AND_NOMINATED = "members-and-nominated"
    MEMBERS_ONLY = "members-only"


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """How clients find one bus.

    Attributes:
        engine: Whether an engine of the bus runs in this server, which makes it a member.
        policy: Which servers may direct clients.
        nominated: The servers, by the names of their containers, that may without being members.
        members: Where engines of the bus listen.
    """

    engine: bool = True
    policy: BootstrapPolicy = BootstrapPolicy.ANY
    nominated: frozenset[str] = frozenset()
    members: tuple[Place, ...] = ()

    def may_direct(self, server: str) -> bool:
        """Whether the server of that name may direct clients of the bus."""
        if self.engine or self.policy is BootstrapPolicy.ANY:
            return True
        return self.policy is BootstrapPolicy.MEMBERS_AND_NOMINATED and server in self.nominated


def places_for(
    own: Iterable[Place], members: Iterable[Place], *, target: str | None, permitted: str | Sequence[str], secure: bool
) -> tuple[Place, ...]:
    """Where a client may be sent: to this server's own chains if one fits, else to the members that fit.

    Args:
        own: The chains of this server; none where it has no engine of the bus.
        members: Where engines listen. One whose chain was not told fits where the bus names no chains.
        target: The chain that the client wants; None for any.
        permitted: What the bus permits.
        secure: Whether the client came over TLS.
    """

    def fits(place: Place) -> bool:
        if secure and not place.is_secure:
            return False
        if target is not None and place.chain not in (target, None):
            return False
        if permitted == "all":
            return True
        return place.is_secure if permitted == "tls-only" else place.chain in permitted

    return tuple(filter(fits, own)) or tuple(filter(fits, members))
