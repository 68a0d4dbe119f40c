"""Where a message would go, over all links that can be reached, without sending one (BUS-15)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import final

from connector.errors import ConnectorError, Reason
from connector.spi import Principal, Subject, UserPrincipal
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.ways_out import AT
from connector_bus.links.route_follower import Departure, Traveller, walk
from connector_bus.links.stages import Question, Stage, branched
from connector_bus.links.surroundings import Surroundings

__all__ = ["NOT_TOLD", "Question", "RouteExplorer", "Stage"]

NOT_TOLD = Reason(
    "CF-BUS-223",
    "bus {bus} tells nothing of itself to bus {peer}, whose engine is not authenticated",
    "Give both ends of the link an authentication alias.",
)

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

    def explore(self, traveller: Traveller) -> list[Stage]:
        """The stages from this bus on, the first one first. Blocks for the registry and the buses that are asked."""
        here = Surroundings.of(self._engine)
        return [stage for step in walk(here, traveller) for stage in self._told(step)]

    def answer(self, question: Question, identity: Principal, came_by: str) -> list[Stage]:
        """What this bus, and those behind it, say of a message that would come over a link. Blocks like `explore`.

        Args:
            question: What is asked.
            identity: Whom the message would be from here.
            came_by: Why, where it isn't the identity that came.
        """
        engine, kept = self._engine, identity == question.identity
        here = question.bus == engine.name
        traveller = Traveller(
            question.destination if here else f"{question.destination}{AT}{question.bus}",
            Subject.unauthenticated(),
            identity,
            engine.ways.arriving(question.message),
            arrived=True,
            from_abroad=True,
            hops=question.hops,
            came_by=came_by or (question.came_by if kept else ""),
            visited=question.visited,
            groups=question.groups if kept else frozenset(),
        )
        try:
            subject = self._subject(identity, traveller.groups)
        except ConnectorError as error:
            return [Stage(engine.name, "arriving", traveller.name, str(identity), allowed=False, code=error.code)]
        return self.explore(replace(traveller, subject=subject))

    def _subject(self, identity: Principal, groups: frozenset[str]) -> Subject:
        access = self._engine.access
        if isinstance(identity, UserPrincipal) and not identity.name and identity.realm == access.realm:
            return Subject.of_user("", identity.realm, groups)  # somebody in particular is not asked about
        return access.subject_of(identity)

    def _told(self, step: Stage | Departure) -> Iterator[Stage]:
        if isinstance(step, Stage):
            yield step
            return
        question = step.question
        try:
            beyond = self._ask_next(step.neighbour, question)
        except ConnectorError as error:
            # What is behind it is not guessed.
            place, identity = question.destination, str(question.identity)
            yield Stage(step.neighbour, "unreachable", place, identity, code=error.code, branch=step.branch)
            return
        for each in beyond:
            yield replace(each, branch=branched(step.branch, each.branch))
