"""What goes into the decision who a work runs as, and what comes out of it: plain values (FLOW-3)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from connector.errors import Reason
from connector.security.inbound_map import InboundMap
from connector.spi import Explanation, Principal, Step, Subject, Verdict


@dataclass(frozen=True, slots=True)
class Heard:
    """Everything that a security context said, in the order in which it was heard.

    Attributes:
        callers: What each caller callback named.
        groups: The group names of all group callbacks.
        passwords: The user of each validated password, and whether it was right.
        group_callbacks: How many group callbacks there were, empty ones included.
        placed: The principals that the context itself put into the execution subject.
        credentials: The private credentials that it put there.
        undecided: The user of the first password that the registry could not be asked about, with the cause in words.
    """

    callers: tuple[Principal | str | None, ...] = ()
    groups: tuple[str, ...] = ()
    passwords: tuple[tuple[str, bool], ...] = ()
    group_callbacks: int = 0
    placed: tuple[Principal, ...] = ()
    credentials: tuple[Any, ...] = field(default=(), repr=False)
    undecided: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class RealmFacts:
    """What the realm knows about those who were named; answers to questions about others are not needed.

    Attributes:
        realm: The application's realm.
        trusted: The trusted inbound realms.
        groups_of: The registry's groups by user; a user that is missing here is unknown to the realm. Whoever a named
            caller is translated to is among them.
        known_groups: The groups, among those named and those that named ones are translated to, that the realm knows.
        maps: The inbound maps by foreign realm.
    """

    realm: str
    trusted: frozenset[str] = frozenset()
    groups_of: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    known_groups: frozenset[str] = frozenset()
    maps: Mapping[str, InboundMap] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class InflowDecision:
    """What `decide_inflow` found.

    Attributes:
        subject: The execution subject, read-only; None for a refusal.
        rule: The row of the table, in words; goes into the scope's origin and the explanation.
        reason: Why it was refused; None for a subject.
        details: The reason's inserts.
        dropped_groups: Groups that were named and don't count, for a warning.
        translation: The steps of an inbound map, where one was asked.
        downgraded: Whether a named caller has become the unauthenticated one, as the map's `unmapped` says.
    """

    subject: Subject | None
    rule: str
    reason: Reason | None = None
    details: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    dropped_groups: tuple[str, ...] = ()
    translation: tuple[Step, ...] = ()
    downgraded: bool = False

    def explanation(self) -> Explanation:
        """The decision in words, without secrets (architecture rule 11)."""
        verdict = Verdict.FAILED if self.subject is None else Verdict.TAKEN
        steps = [Step("security context", verdict, self.rule, self.translation)]
        steps += [Step(f"group {name}", Verdict.REJECTED, "not a group of the realm") for name in self.dropped_groups]
        answer = f"refused: {self.rule}" if self.subject is None else str(self.subject.caller)
        return Explanation("the execution subject of a work", answer, tuple(steps))
