"""Where a role of a bus is held, as commands and Python say it: by at most one of a few names (BUS-12). Pure."""

from __future__ import annotations

from typing import Any

from connector.admin.bus_shape import Kind


def place_arguments(
    *,
    destination: str | None = None,
    topic: str | None = None,
    foreign: str | None = None,
    temporary: str | None = None,
    kept: str | None = None,
    default: bool = False,
) -> dict[str, Any]:
    """The arguments of an operation that they stand for; the bus itself without any. Raises ValueError.

    Args:
        destination: A destination.
        topic: A topic, of the topic space that `destination` names.
        foreign: A foreign bus.
        temporary: A prefix of temporary destinations.
        kept: A destination whether it is there or not; the roles stay when it goes.
        default: The default resource of the bus.
    """
    given = {Kind.DESTINATION: destination, Kind.FOREIGN: foreign, Kind.TEMPORARY: temporary, Kind.KEPT: kept}
    named = [Kind.DEFAULT] if default else []
    named += [kind for kind, name in given.items() if name is not None]
    if len(named) > 1:
        raise ValueError("give one of default, destination, foreign, temporary, kept")
    if topic is not None:
        if destination is None:
            raise ValueError("name the topic space of the topic as destination")
        return {"kind": Kind.TOPIC, "name": destination, "topic": topic}
    return {"kind": named[0], "name": given.get(named[0]) or ""} if named else {}


def inheritance_arguments(
    name: str, topic: str | None, role: str | None, *, temporary: bool, kept: bool
) -> dict[str, Any]:
    """What the operations on inheritance are asked about. Pure. Raises ValueError."""
    if (topic is None) is not (role is None):
        raise ValueError("topic and role go together")
    if temporary + kept + (topic is not None) > 1:
        raise ValueError("give one of topic, temporary, kept")
    kinds = {Kind.TEMPORARY: temporary, Kind.KEPT: kept, Kind.TOPIC: topic is not None, Kind.DESTINATION: True}
    kind = next(kind for kind, chosen in kinds.items() if chosen)
    return {"kind": kind, "name": name, "topic": topic, **({} if role is None else {"role": role})}
