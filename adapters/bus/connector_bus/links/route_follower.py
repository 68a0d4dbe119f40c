"""Follows a message over one bus, without sending one: along aliases, paths, mediations and links (BUS-8, BUS-15).

Theory of operation
-------------------
The walk does what the engine does with a message, and asks what it asks, at each name in turn. Where the message would
leave the bus it stops with a question for the bus at the other end of the link; `links.exploration` asks it. Code is
not run, so of a mediation two things are possible: the message stays its sender's, which is the main way, or is made
the mediation's own, which is a branch. The reply, and publications for other buses, are branches as well.

After a refusal the walk goes on, since what else is wrong is worth knowing; where nothing is there it ends. Nothing
here stores, sends or audits anything; it blocks for the registry, and raises nothing of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from connector.errors import ConnectorError, Reason
from connector.spi import Message, Principal, Subject
from connector_bus.engine.forward_path import HOP_LIMIT, PATH_ENDS, TOO_MANY_HOPS, way_back
from connector_bus.engine.route import Route
from connector_bus.engine.ways_out import NO_WAY
from connector_bus.links.stages import Question, Stage, branched
from connector_bus.links.surroundings import Surroundings
from connector_bus.policy.definition import ROOT
from connector_bus.policy.roles import ResourceType

COMES_ROUND = Reason(
    "CF-BUS-400",
    "the route of {destination} on bus {bus} comes round in a loop, over bus {foreign_bus}",
    "Look at the aliases and foreign destinations on the way, and at `via`: one of them leads back.",
)

#: A message that goes to one destination, and wants no reply.
NO_PATH: Final = Message(None)
_MAY_ROUTE: Final = "its mediations may send it elsewhere"
_DISCARDED: Final = "it is gone: what comes for it is discarded"


@dataclass(frozen=True, slots=True)
class Traveller:
    """A message that is followed, as it stands before a name.

    Attributes:
        name: Where it is to go.
        subject: Who its identity is.
        identity: Whom it is from.
        message: Its topic and its paths; it has no body.
        arrived: Whether it has come over a link, and has passed nothing here yet.
        from_abroad: Whether it has come over a link at all.
        hops: How many destinations it has passed.
        came_by: Why it has its identity, where it isn't its sender's.
        visited: The stations where it has left a bus.
        groups: The groups of somebody who has no name.
        branch: The branch that it is on.
        word: What the stage is called where it is neither sent, nor arriving.
    """

    name: str
    subject: Subject
    identity: Principal
    message: Message = NO_PATH
    arrived: bool = False
    from_abroad: bool = False
    hops: int = 0
    came_by: str = ""
    visited: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    branch: str = ""
    word: str = ""


@dataclass(frozen=True, slots=True)
class Departure:
    """Where a message leaves the bus.

    Attributes:
        neighbour: The bus at the other end of the link.
        question: What to ask there.
        branch: The branch that the answer belongs to.
    """

    neighbour: str
    question: Question
    branch: str


def walk(here: Surroundings, traveller: Traveller) -> Iterator[Stage | Departure]:
    """What this bus says of a message, stage by stage, with a departure wherever it would leave."""
    while True:
        if traveller.hops >= HOP_LIMIT:
            yield _stage(here, traveller, exists=False, code=TOO_MANY_HOPS.code)
            return
        try:
            route = here.route(traveller.name)
        except ConnectorError as error:
            yield _stage(here, traveller, exists=False, code=error.code)
            return
        stage = _checked(here, traveller, route)
        if route.bus is not None:
            yield from _departing(here, traveller, stage, route.bus, route.name)
            return
        mediated = here.mediated_as(route.name)
        if mediated is not None:
            stage = replace(stage, note=_MAY_ROUTE)
        path = traveller.message.forward_path
        if path and mediated is None and route.kind is not ResourceType.QUEUE:
            yield replace(stage, allowed=False, code=stage.code or PATH_ENDS.code)
            return
        yield stage
        if mediated:
            yield from _reset(here, traveller, route, mediated)
        if not path:
            yield from _at_rest(here, traveller, route)
            return
        traveller = _on(traveller, *path)


def _checked(here: Surroundings, traveller: Traveller, route: Route) -> Stage:
    message = traveller.message
    decision = here.decide(traveller.subject, traveller.name, route, message.topic or ROOT)
    gone = route.kind is ResourceType.TEMPORARY and here.prefix(traveller.name) is None
    through = [each.name for each in route.hops[1:]]
    if route.bus is not None and traveller.name != (address := f"{route.name}@{route.bus}"):
        through.append(address)
    stage = _stage(here, traveller, exists=not gone, code=decision.code, abroad=route.bus is not None)
    return replace(
        stage,
        allowed=decision.allowed,
        rule=decision.rule,
        assignment=decision.assignment,
        through=tuple(through),
        note=_DISCARDED if gone else "",
    )


def _stage(here: Surroundings, traveller: Traveller, *, exists: bool, code: str, abroad: bool = False) -> Stage:
    arrived = "passing on" if abroad else "arriving"
    word = traveller.word or (arrived if traveller.arrived else "sending")
    return Stage(
        here.bus,
        word,
        traveller.name,
        str(traveller.identity),
        exists=exists,
        code=code,
        came_by=traveller.came_by,
        branch=traveller.branch,
    )


def _departing(
    here: Surroundings, traveller: Traveller, stage: Stage, bus: str, destination: str, *, published: bool = False
) -> Iterator[Stage | Departure]:
    neighbour = here.ways.neighbour(bus)
    if neighbour is None:
        yield replace(stage, exists=False, code=NO_WAY.code)
        return
    message = here.ways.leaving(traveller.message, here.is_here)
    ways = (*message.forward_path, *message.reverse_path, message.reply_to or "")
    station = " ".join((here.bus, f"{destination}@{bus}", str(traveller.identity), *ways))
    if station in traveller.visited:
        yield replace(stage, exists=False, code=COMES_ROUND.code)
        return
    if not published:
        yield stage
    question = Question(
        bus,
        destination,
        traveller.identity,
        traveller.hops + 1,
        message,
        traveller.came_by,
        (*traveller.visited, station),
        traveller.groups,
        published,
    )
    yield Departure(neighbour, question, stage.branch)


def _reset(
    here: Surroundings, traveller: Traveller, route: Route, mediated: tuple[Principal, ...]
) -> Iterator[Stage | Departure]:
    """What comes behind mediations once one of them has made the message its own."""
    for identity in mediated:
        if identity == traveller.identity:
            continue
        branch = branched(traveller.branch, f"as {identity} by the mediations of {route.name}")
        came_by = f"a mediation of {route.name} on bus {here.bus}"
        changed = replace(traveller, identity=identity, came_by=came_by, branch=branch, groups=frozenset())
        try:
            changed = replace(changed, subject=here.subject_of(identity))
        except ConnectorError as error:
            yield replace(_stage(here, changed, exists=True, code=error.code), allowed=False)
            continue
        path = traveller.message.forward_path
        if path:
            yield from walk(here, _on(changed, *path))
        else:
            yield from _at_rest(here, changed, route)


def _on(traveller: Traveller, name: str, *path: str) -> Traveller:
    """The same at the next name of its path."""
    word = "replying" if traveller.word == "replying" else "on the path"
    message = traveller.message.replace(forward_path=path)
    return replace(traveller, name=name, message=message, arrived=False, hops=traveller.hops + 1, word=word)


def _at_rest(here: Surroundings, traveller: Traveller, route: Route) -> Iterator[Stage | Departure]:
    """What comes of a message at the end of its path: publications for other buses, and the reply."""
    if route.kind is ResourceType.TOPIC_SPACE and not traveller.from_abroad:
        for bus, space in here.ways.mapped(route.name):
            branch = branched(traveller.branch, f"publication to {space} of bus {bus}")
            published = replace(traveller, branch=branch, word="publishing")
            stage = _stage(here, published, exists=True, code="")
            yield from _departing(here, published, stage, bus, space, published=True)
    back = way_back(traveller.message)
    if back is None:
        return
    first, path = back
    message = Message(None, forward_path=path)
    branch = branched(traveller.branch, "reply")
    # A handler replies in the name of whoever has asked, unless the deployer has said otherwise.
    reply = replace(traveller, name=first, message=message, arrived=False, hops=0, branch=branch, word="replying")
    yield from walk(here, reply)
