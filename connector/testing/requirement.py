"""Requirements: one id, one sentence, and what an adapter must be able to do before it is asked.

Declared beside the test that checks it, like an error's reason beside the place that raises it; `docs/kit.md` is
generated from here. An id never changes its meaning and is never used again.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias, TypeVar

from connector.spi import Capability

Test = TypeVar("Test", bound=Callable[..., Any])


class Facet(Enum):
    """What an external system usually has. A backend whose system lacks it says so, with the reason, in `lacks`."""

    USERS = "users"  # it knows users and checks their passwords
    NETWORK = "network"  # it can be out of reach
    KILL = "kill"  # its connections can be broken from its own side
    STATE = "session-state"  # a session keeps something that its user did to it


class StoreFacet(Enum):
    """What a store for authentication data usually has. A backend whose store lacks it says so in `lacks`."""

    WRITING = "writing"  # entries can be changed through it
    KEY = "key"  # it encrypts under a key of ours, which can be rotated and can be wrong
    DAMAGE = "damage"  # the list can be damaged from outside
    STAMP = "stamp"  # it tells cheaply whether it may have changed (StampedStore)
    REST = "rest"  # what it keeps could be read by others than its owner


class RegistryFacet(Enum):
    """What a user registry usually has. A backend whose registry lacks it says so in `lacks`."""

    OUTAGE = "outage"  # its users are elsewhere, and can be out of reach
    VERIFIERS = "verifiers"  # its users sign on by SCRAM-SHA-256 (ScramVerifiers); claimed by `verifiers = True`


class InboundFacet(Enum):
    """What a source of messages usually has. A backend whose source lacks it says so in `lacks`."""

    CONSUMERS = "consumers"  # it checks who consumes
    BURIAL = "burial"  # it keeps what was given up, with the reason
    REPLIES = "replies"  # messages can name where a reply is wanted
    GROUPS = "groups"  # messages can belong to groups


#: What a requirement may need.
Need: TypeAlias = Capability | Facet | StoreFacet | RegistryFacet | InboundFacet


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that a conforming adapter or module does.

    Attributes:
        id: The stable id, for example `OUT-POOL-003`.
        sentence: What is required, as one sentence.
        needs: Capabilities and facets without which it does not apply; empty for everybody.
    """

    id: str
    sentence: str
    needs: tuple[Need, ...] = ()


_MARK = "__connector_requirement__"
# Filled while contract modules are imported, never changed afterwards.
_CATALOGUE: dict[str, Requirement] = {}


def requirement(id: str, sentence: str, *, needs: Need | tuple[Need, ...] = ()) -> Callable[[Test], Test]:  # noqa: A002
    """Declare what a contract's test checks.

    Args:
        id: The stable id; declaring one twice is refused with ValueError.
        sentence: What is required, with a full stop.
        needs: What the adapter must claim, or its system have, for the requirement to apply.
    """
    declared = Requirement(id, sentence, needs if isinstance(needs, tuple) else (needs,))
    if id in _CATALOGUE:
        raise ValueError(f"the requirement {id} is declared twice")
    _CATALOGUE[id] = declared

    def mark(test: Test) -> Test:
        setattr(test, _MARK, declared)
        return test

    return mark


def requirement_of(test: object) -> Requirement | None:
    """The requirement that a test function checks; None for any other object."""
    found = getattr(test, _MARK, None)
    return found if isinstance(found, Requirement) else None


def requirements() -> tuple[Requirement, ...]:
    """All requirements of the contracts imported so far, sorted by id."""
    return tuple(_CATALOGUE[id] for id in sorted(_CATALOGUE))  # noqa: A001 - as in `Requirement.id`
