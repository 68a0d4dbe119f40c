"""What `connector check` says of the routes that leave a bus, followed over all links that can be reached (BUS-15)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Final

from connector.errors import ConnectorError, Reason
from connector.spi import PostureFinding, Subject
from connector_bus.adapter.bus import Bus
from connector_bus.adapter.destination_reader import key
from connector_bus.engine.forward_path import TOO_MANY_HOPS
from connector_bus.links.route_follower import COMES_ROUND, Traveller
from connector_bus.links.stages import Stage, arrives
from connector_bus.policy.difference import named_people
from connector_bus.policy.holder_set import HolderSet
from connector_bus.policy.holders import HolderKind
from connector_bus.policy.roles import Role
from connector_bus.settings import DestinationSettings

FOREIGN_MISSING = Reason(
    "CF-BUS-254",
    "{destination} on bus {bus} stands for {target} on bus {foreign_bus}, which is not there",
    "Define it there, or correct the target.",
)
ALL_REFUSED = Reason(
    "CF-BUS-401",
    "nobody gets through to {destination} on bus {bus}: whoever may send to it is refused on bus {foreign_bus}, at "
    "{place} ({code})",
    "Give those who may send to it the sender role there, or the link an outbound_user or inbound_user who has it.",
)
NO_LINK = Reason(
    "CF-BUS-402",
    "{destination} on bus {bus} leads to bus {foreign_bus}, to which there is no link",
    "Give the foreign bus a link, or `via`, the bus that passes messages on to it; or correct the bus.",
)
HOP_MISSING = Reason(
    "CF-BUS-403",
    "the route of {destination} on bus {bus} ends on bus {foreign_bus}: {place} leads nowhere there ({code})",
    "Define there what the route goes by, or lead it another way.",
)
NOT_FOLLOWED = Reason(
    "CF-BUS-404",
    "routes of bus {bus} could not be followed over bus {foreign_bus}, which can't be asked ({code})",
    "Check again once it can be; see the reason.",
)
MAPPED_MISSING = Reason(
    "CF-BUS-405",
    "publications to {destination} of bus {bus} go to {target} of bus {foreign_bus} as well, which is not there",
    "Define the topic space there, or correct topic_spaces of the link.",
)

#: More people than this are not asked about one after the other.
_MOST_PEOPLE: Final = 64


def route_findings(bus: Bus, buses: Mapping[str, Bus], place: str) -> Iterator[PostureFinding]:
    """All findings about the routes of one bus. Blocks for the registry, and the buses at the other ends of its links.

    Args:
        bus: The bus.
        buses: All buses of this container.
        place: The key path of its table.
    """
    silent: dict[str, Stage] = {}
    for name, each in bus.settings.destinations.items():
        owner, where = each.owning_bus, f"{place}.destinations.{key(name)}"
        if owner is None or owner == bus.name:
            continue
        if bus.engine.ways.neighbour(owner) is None:
            details = {"destination": name, "bus": bus.name, "foreign_bus": owner}
            yield PostureFinding("warning", NO_LINK, where, details)
            continue
        stages = bus.links.explorer.explore(_traveller(bus, name, Subject.unauthenticated()))
        silent.update(_silent(stages))
        broken = _broken(bus, name, each, stages)
        if broken is not None:
            yield PostureFinding("warning", broken[0], where, broken[1])
        elif all(stage.exists for stage in stages):
            refused = _all_refused(bus, buses, name)
            if refused is not None:
                details = {"foreign_bus": refused.bus, "place": refused.place, "code": refused.code}
                yield PostureFinding("warning", ALL_REFUSED, where, {"destination": name, "bus": bus.name, **details})
    yield from _mapped(bus, place, silent)
    for name, stage in silent.items():
        details = {"bus": bus.name, "foreign_bus": name, "code": stage.code}
        yield PostureFinding("note", NOT_FOLLOWED, f"{place}.foreign_buses", details)


def _traveller(bus: Bus, name: str, subject: Subject, groups: frozenset[str] = frozenset()) -> Traveller:
    return Traveller(name, subject, bus.access.identity_of(subject), groups=groups)


def _silent(stages: Iterable[Stage]) -> dict[str, Stage]:
    """The buses that could not be asked."""
    return {each.bus: each for each in stages if each.stage == "unreachable"}


def _broken(
    bus: Bus, name: str, settings: DestinationSettings, stages: Sequence[Stage]
) -> tuple[Reason, dict[str, str]] | None:
    """Why the route of a destination doesn't get to its end, whoever sends."""
    missing = next((each for each in stages if each.exists is False), None)
    if missing is None:
        return None
    foreign = settings.foreign or settings.alias
    assert foreign is not None
    details = {"destination": name, "bus": bus.name, "foreign_bus": missing.bus}
    if missing.code in (COMES_ROUND.code, TOO_MANY_HOPS.code):
        return COMES_ROUND, details
    if missing.bus == settings.owning_bus and missing.place == foreign.destination:
        return FOREIGN_MISSING, {**details, "target": foreign.destination}
    return HOP_MISSING, {**details, "place": missing.place, "code": missing.code}


def _mapped(bus: Bus, place: str, silent: dict[str, Stage]) -> Iterator[PostureFinding]:
    """Topic spaces whose publications go to what is not there."""
    for space in sorted({name for way in bus.settings.ways.values() if way.link for name in way.link.topic_spaces}):
        stages = bus.links.explorer.explore(_traveller(bus, space, Subject.unauthenticated()))
        silent.update(_silent(stages))
        for each in stages:
            if each.branch and each.exists is False:
                where = f"{place}.foreign_buses.{key(each.bus)}.link.topic_spaces"
                details = {"destination": space, "bus": bus.name, "target": each.place, "foreign_bus": each.bus}
                yield PostureFinding("warning", MAPPED_MISSING, where, details)


def _all_refused(bus: Bus, buses: Mapping[str, Bus], name: str) -> Stage | None:
    """Where everybody is refused who may send to a destination of another bus; None where somebody may get through.

    It has to be certain: who is named nowhere, but belongs to a group that is, may be admitted by a bus of another
    container for reasons that it doesn't tell. There only those count who are named, or whose identity a link replaces.
    """
    needed = _needed(bus, name)
    people = _people(buses.values(), bus)
    if needed is None or len(people) > _MOST_PEOPLE:
        return None
    refused: list[tuple[Stage, bool]] = []
    within = True
    for subject in people:
        if not all(held.admits(subject) for held in needed):
            continue
        traveller = _traveller(bus, name, subject, subject.groups)
        stages = bus.links.explorer.explore(traveller)
        if arrives(stages):
            return None
        stage = next(each for each in stages if not each.branch and not each.passes)
        if stage.stage == "unreachable" or stage.bus == bus.name:
            return None
        within = within and all(each.bus in buses for each in stages)
        refused.append((stage, stage.identity != str(traveller.identity)))
    named = all(holder.kind is HolderKind.USER for held in needed for holder in held.holders)
    if refused and (within or named or all(replaced for _, replaced in refused)):
        return refused[0][0]
    return None


def _needed(bus: Bus, name: str) -> list[HolderSet] | None:
    """The sets that have to admit a sender on this bus; None where nobody can be admitted, or all are."""
    policy = bus.access.policy
    if not bus.access.active:
        return []
    if bus.engine.destinations.is_alias(name):
        return policy.needed(name, Role.SENDER)
    return [policy.effective(name, Role.SENDER)]


def _people(buses: Iterable[Bus], bus: Bus) -> list[Subject]:
    """Who may be anybody: nobody, somebody who belongs to all groups that are named, and each user that is named."""
    if not bus.access.active:
        return [Subject.unauthenticated()]
    identity = bus.context.identity
    named = named_people(each.access.policy.definition for each in buses)
    groups = [each.name for each in named if each.kind is HolderKind.GROUP]
    people = [Subject.of_user("", identity.realm, groups), Subject.unauthenticated()]
    for each in named:
        if each.kind is HolderKind.USER:
            with suppress(ConnectorError):  # whoever has vanished is reported as that
                people.append(identity.assert_user(each.name))
    return people
