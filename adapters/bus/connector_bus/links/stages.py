"""What is asked along a route, and what each bus on it answers (BUS-15). Plain values; they go over links."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from connector.spi import Message, Principal


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the bus at the other end of a link.

    Attributes:
        bus: The bus of the destination.
        destination: Its name there.
        identity: Whom the message would be from, as it leaves.
        hops: How many destinations it has passed.
        message: Its topic, what is left of its forward path, its reverse path and `reply_to`; it has no body.
        came_by: Why it has that identity, where it isn't its sender's.
        visited: The stations where it has left a bus before, to find out that it comes round.
        groups: The groups of somebody who has no name; asked within one container only.
        published: Whether it is a publication, for the topic space that a link maps the one here on.
    """

    bus: str
    destination: str
    identity: Principal
    hops: int
    message: Message = field(default_factory=lambda: Message(None))
    came_by: str = ""
    visited: tuple[str, ...] = ()
    groups: frozenset[str] = frozenset()
    published: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """What one bus says of one destination on the way.

    Attributes:
        bus: The bus.
        stage: `sending`, `on the path`, `passing on`, `arriving` or `replying`; `unreachable` where nobody could be
            asked.
        place: The destination, as this bus names it.
        identity: Whom the message would be from here, which is who is checked.
        exists: Whether the destination, or a way to it, is there; None where that isn't known.
        allowed: Whether the identity may send there; None where that isn't known.
        code: Why not, as a stable code; empty where nothing is wrong.
        rule: The rule that decides, in words; buses of other containers don't tell theirs.
        assignment: The assignments that decide, with where they come from; told like the rule.
        through: What the place stands for, name by name, where it is an alias or belongs to another bus.
        came_by: Why the message has this identity here, where it isn't its sender's.
        branch: Empty on the way of the message itself; else what this is about, in words: the reply, the message once
            a mediation has made it its own, a publication to the topic space of another bus.
        note: What else there is to know.
    """

    bus: str
    stage: str
    place: str
    identity: str
    exists: bool | None = None
    allowed: bool | None = None
    code: str = ""
    rule: str = ""
    assignment: str = ""
    through: tuple[str, ...] = ()
    came_by: str = ""
    branch: str = ""
    note: str = ""

    @property
    def passes(self) -> bool:
        """Whether the message would get past here."""
        return bool(self.exists and self.allowed)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {**{name: getattr(self, name) for name in _FIELDS}, "through": list(self.through)}

    @classmethod
    def from_dict(cls, written: Any) -> Stage:
        """From what another bus has written, an older one perhaps. Raises KeyError or TypeError."""
        told: dict[str, Any] = {name: str(written[name]) for name in _ALWAYS}
        told |= {name: str(written[name]) for name in _TEXTS if name in written}
        told |= {name: None if written.get(name) is None else bool(written[name]) for name in ("exists", "allowed")}
        return cls(**told, through=tuple(map(str, written.get("through") or ())))


_FIELDS = tuple(each.name for each in fields(Stage))
_ALWAYS = ("bus", "stage", "place", "identity")
_TEXTS = ("code", "rule", "assignment", "came_by", "branch", "note")


def arrives(stages: Sequence[Stage], branch: str = "") -> bool:
    """Whether a message, or what a branch is about, would get to the end of its way."""
    return all(each.passes for each in stages if each.branch == branch)


def branches(stages: Sequence[Stage]) -> dict[str, bool]:
    """The branches beside the main way, each with whether it gets to its end, in the order of the route."""
    return {each.branch: arrives(stages, each.branch) for each in stages if each.branch}


def branched(outer: str, inner: str) -> str:
    """The name of a branch that goes off from another one."""
    return f"{outer}, {inner}" if outer and inner else outer or inner
