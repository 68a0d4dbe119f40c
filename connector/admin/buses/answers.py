"""What the administration of a bus answers: the same plain data as `connector bus … --json`, with types (BUS-12)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict


class EditedKeyAnswer(TypedDict):
    """One key of the configuration that an edit named: how it is written, and what stood and stands there."""

    key: str
    old: Any
    new: Any
    overridden_by: str | None


class EditAnswer(TypedDict):
    """What became of an edit: the file, the keys, when it is in force (`effect`), what of it is `live` and what waits
    for a `restart`; `changed` is False where everything was as wanted.
    """

    file: str
    changed: bool
    keys: list[EditedKeyAnswer]
    effect: str
    live: list[str]
    restart: list[str]
    revision: str
    running: bool


class BusAnswer(TypedDict):
    """One bus as it is configured."""

    name: str
    security: bool
    destinations: int
    permitted_chains: str | list[str]


class ChainAnswer(TypedDict):
    """One chain, and whether the bus takes clients over it."""

    chain: str
    tls: str | None
    enabled: bool
    permitted: bool


class ChainsAnswer(TypedDict):
    """The chains of a bus."""

    bus: str
    permitted_chains: str | list[str]
    chains: list[ChainAnswer]


class RoleAnswer(TypedDict):
    """One holder of one role; `written` is False for what a new bus gives by itself."""

    kind: str
    name: str | None
    topic: str | None
    role: str
    holder: str
    written: bool


class InheritanceAnswer(TypedDict):
    """Whether a destination, or a topic for one role, inherits."""

    kind: str
    name: str | None
    topic: str | None
    inherits: bool


class PlaceAnswer(TypedDict):
    """A place of a policy."""

    kind: str
    name: str
    topic: str


class DifferenceAnswer(TypedDict):
    """Who gains and who loses one role on one place."""

    place: PlaceAnswer
    role: str
    gains: list[str]
    loses: list[str]


class AliasAnswer(TypedDict):
    """An alias that a change makes or points elsewhere: whoever does so needs authority on its target."""

    alias: str
    target: str
    bus: str
    check: str


class DiffAnswer(TypedDict):
    """What a change of the policy would do."""

    bus: str
    in_force: bool
    policy_version: int
    differences: list[DifferenceAnswer]
    administrative_authority: list[AliasAnswer]


class StageAnswer(TypedDict):
    """One destination on a route; documented at connector_bus.links.stages.Stage."""

    bus: str
    stage: str
    place: str
    identity: str
    exists: bool | None
    allowed: bool | None
    code: str
    rule: str
    assignment: str
    through: list[str]
    came_by: str
    branch: str
    note: str


class BranchAnswer(TypedDict):
    """What goes off from a route, and whether it gets to its end."""

    branch: str
    arrives: bool


class RouteAnswer(TypedDict):
    """Where a message would go."""

    bus: str
    destination: str
    arrives: bool
    branches: list[BranchAnswer]
    stages: list[StageAnswer]


class _ExplanationAnswer(TypedDict):
    question: str
    answer: str
    steps: list[dict[str, Any]]
    in_force: bool
    policy_version: int


class ExplanationAnswer(_ExplanationAnswer, total=False):
    """Why somebody may or may not: `answer` is "allowed", or begins with "denied"; `route` where it leaves the bus."""

    route: RouteAnswer


class DestinationAnswer(TypedDict):
    """One destination with its depths."""

    name: str
    type: str
    depth: int
    in_delivery: int
    awaiting_mediation: int
    delayed: int
    max_depth: int | None


class ShownBusAnswer(TypedDict):
    """What is on a bus."""

    bus: str
    security: bool
    security_state: str
    policy_version: int
    exception_destination: str
    destinations: list[DestinationAnswer]
    discarded_replies: int
    expired: int
    dropped: int


class LinkAnswer(TypedDict):
    """One link to another bus."""

    link: str
    state: str
    code: str | None
    text: str | None
    waiting: int
    sent: int
    refused: int
    transport: str
    address: str | None
    alias: str | None
    outbound_user: str | None
    inbound_user: str | None
    exception_destination: str
    topic_spaces: dict[str, str]
    sessions_from_there: int


class ShownLinkAnswer(LinkAnswer):
    """The same with the bus that it is of."""

    bus: str


class FailureAnswer(TypedDict):
    """A message that failed: whose it is, and when, where, how often and why; never what it says."""

    message: str
    identity: str
    sent: float | None
    failed: float | None
    at: str | None
    attempts: int | None
    reason: str | None
    text: str | None
    cause: str | None


class ShownFailureAnswer(FailureAnswer):
    """The same with what else it carries, but for its body."""

    priority: int
    reply_to: str | None
    properties: dict[str, Any]


class SubscriptionAnswer(TypedDict):
    """One subscription."""

    name: str | None
    topic_space: str
    topic: str
    selector: str | None
    owner: str
    durable: bool
    shared: bool
    consumers: int
    depth: int
    engine: str | None


class ShownSubscriptionAnswer(SubscriptionAnswer):
    """The same with what waits on it, and how it was made."""

    ready: int
    in_delivery: int
    through: str
    made: float
    queue: str


#: The settings of a destination, of a foreign bus, of a prefix, of a topic: by their keys in the configuration.
Settings = Mapping[str, Any]
