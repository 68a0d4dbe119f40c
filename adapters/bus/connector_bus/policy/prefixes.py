"""Prefixes of temporary destinations, compiled (BUS-7).

Theory of operation
-------------------
Whoever makes a temporary destination gives a prefix, of any length; nothing is cut. Every configured prefix that it
begins with gives its own assignments, all of them together; whether the default resource's are added is said by the
longest of these. Where none is configured, only the default resource decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, final

from connector_bus.policy.definition import Assignments, ResourceGrants
from connector_bus.policy.holder_set import HolderSet
from connector_bus.policy.holders import Holder
from connector_bus.policy.roles import Role

#: How many prefixes are remembered; then they are forgotten together.
REMEMBERED: Final = 20_000


@final
class CompiledPrefixes:
    """Who holds creator and sender on each prefix. Safe to use from any thread; nothing in it blocks.

    Args:
        configured: The configured prefixes.
        defaults: The default resource's holders.
        make: Makes sets.

    Mutable state: `_remembered`, whose entries anybody may work out anew; single dictionary operations, no lock.
    """

    __slots__ = ("_configured", "_defaults", "_lengths", "_make", "_remembered")

    def __init__(
        self,
        configured: Mapping[str, ResourceGrants],
        defaults: Assignments,
        make: Callable[[frozenset[Holder]], HolderSet],
    ) -> None:
        self._configured = configured
        self._defaults = defaults
        self._make = make
        self._lengths = sorted({len(prefix) for prefix in configured})
        self._remembered: dict[tuple[Role, str], HolderSet] = {}

    def holders(self, role: Role, prefix: str) -> HolderSet:
        """Who holds the role on a prefix, whether it is configured or not."""
        found = self._remembered.get((role, prefix))
        if found is not None:
            return found
        matching = self.matching(prefix)
        held: frozenset[Holder] = frozenset()
        for each in matching:
            held |= self.own(each, role)
        if self.inherits(prefix):
            held |= self._defaults.get(role, frozenset())
        if len(self._remembered) >= REMEMBERED:
            self._remembered.clear()
        found = self._remembered[role, prefix] = self._make(held)
        return found

    def own(self, configured: str, role: Role) -> frozenset[Holder]:
        """The holders that are assigned on a configured prefix itself."""
        return self._configured[configured].roles.get(role, frozenset())

    def matching(self, prefix: str) -> tuple[str, ...]:
        """The configured prefixes that a prefix begins with, the shortest first."""
        begun = (prefix[:length] for length in self._lengths if length <= len(prefix))
        return tuple(each for each in begun if each in self._configured)

    def inherits(self, prefix: str) -> bool:
        """Whether the default resource's holders are added: the longest configured one says so."""
        matching = self.matching(prefix)
        return self._configured[matching[-1]].inherits if matching else True
