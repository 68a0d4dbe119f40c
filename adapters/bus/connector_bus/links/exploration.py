"""Where a message would go, over all links that can be reached, without sending one (BUS-15)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

from connector.errors import ConnectorError, Reason
from connector.spi import Principal, Subject
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.forward_path import HOP_LIMIT
from connector_bus.engine.route import Route
from connector_bus.policy.definition import ForeignAddress
from connector_bus.policy.explanation import explain_foreign
from connector_bus.policy.roles import ResourceType, Role

NOT_TOLD = Reason(
    "CF-BUS-223",
    "bus {bus} tells nothing of itself to bus {peer}, whose engine is not authenticated",
    "Give both ends of the link an authentication alias.",
)


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the bus at the other end of a link.

    Attributes:
        bus: The bus of the destination.
        destination: Its name there.
        identity: Whom the message would be from, as it leaves.
        hops: How many buses have been asked.
    """

    bus: str
    destination: str
    identity: Principal
    hops: int


@dataclass(frozen=True, slots=True)
class Stage:
    """What one bus says.

    Attributes:
        bus: The bus.
        stage: `sending`, `passing on`, or `arriving`; `unreachable` where nobody could be asked.
        place: The destination, as this bus names it.
        identity: Whom the message would be from here.
        exists: Whether the destination, or a way to it, is there; None where that isn't known.
        allowed: Whether the identity may send there; None where that isn't known.
        code: Why not, as a stable code; empty where nothing is wrong.
        rule: The rule that decides, in words; other buses don't tell theirs.
    """

    bus: str
    stage: str
    place: str
    identity: str
    exists: bool | None = None
    allowed: bool | None = None
    code: str = ""
    rule: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in _FIELDS}

    @classmethod
    def from_dict(cls, written: Any) -> Stage:
        """From what another bus has written. Raises KeyError or TypeError."""
        return cls(**{name: written[name] for name in _FIELDS})


_FIELDS = ("bus", "stage", "place", "identity", "exists", "allowed", "code", "rule")

#: Asks the bus at the other end of the link that leads to a bus: the bus, its neighbour on the way, and the question.
AskNext = Callable[[str, Question], Sequence[Stage]]


@final
class RouteExplorer:
    """Tells where messages of one bus would go. Safe to use from any thread. Nothing is stored, and nothing audited.

    Args:
        engine: The bus.
        ask_next: Asks the next bus.
    """

    def __init__(self, engine: BusEngine, ask_next: AskNext) -> None:
        self._engine = engine
        self._ask_next = ask_next

    def explore(self, subject: Subject, identity: Principal, name: str, *, arrived: bool, hops: int = 0) -> list[Stage]:
        """The stages from this bus on, the first one first. Blocks for the buses that are asked.

        Args:
            subject: Who is asked about.
            identity: Whom the message would be from.
            name: The destination, as it is named here.
            arrived: Whether the message would come over a link.
            hops: How many buses were asked before.
        """
        engine = self._engine
        try:
            route = engine.destinations.route(name)
        except ConnectorError as error:
            stage = "arriving" if arrived else "sending"
            return [Stage(engine.name, stage, name, str(identity), exists=False, code=error.code)]
        here = self._here(subject, identity, name, route, arrived=arrived)
        if route.bus is None:
            return [here]
        neighbour = engine.ways.neighbour(route.bus)
        if neighbour is None or hops >= HOP_LIMIT:
            return [replace(here, exists=False, code="CF-BUS-200")]
        try:
            beyond = self._ask_next(neighbour, Question(route.bus, route.name, identity, hops + 1))
        except ConnectorError as error:
            beyond = [Stage(neighbour, "unreachable", route.name, str(identity), code=error.code)]
        return [here, *beyond]

    def _here(self, subject: Subject, identity: Principal, name: str, route: Route, *, arrived: bool) -> Stage:
        """What this bus itself decides."""
        access = self._engine.access
        policy = access.policy
        if route.bus is not None and not self._engine.destinations.is_alias(name):
            allowed = not access.active or policy.decide_foreign(subject, route.bus, route.name)
            explanation = explain_foreign(policy, subject, ForeignAddress(route.bus, route.name))
        else:
            found = self._engine.destinations.find(name)
            resource = name if found is None or route.kind is not ResourceType.TEMPORARY else found.resource
            allowed = access.allows(subject, Role.SENDER, resource)
            explanation = access.explain(subject, Role.SENDER, resource)
        stage = ("passing on" if route.bus is not None else "arriving") if arrived else "sending"
        code = "" if allowed else ("CF-BUS-124" if route.bus is not None else "CF-BUS-020")
        rule = explanation.answer if access.active else "no role is checked"
        return Stage(self._engine.name, stage, name, str(identity), exists=True, allowed=allowed, code=code, rule=rule)
