"""The topics of one topic space, compiled: who may publish to, and subscribe to, each of them (BUS-6).

Theory of operation
-------------------
From the root down, each level starts with the holders of the level above it (the root with those of its topic space),
unless it stops the inheritance of that role; then its own holders are added. So what a blocker stops is everything
from above, never what is assigned below it. The result for each topic that has assignments is worked out when the
policy is compiled. A topic that has none has the result of the nearest one above; that is looked for when somebody
first asks, and remembered. So nothing walks the tree for a message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, final

from connector_bus.policy.definition import ROOT, TOPIC_ROLES, TopicGrants, TopicTree
from connector_bus.policy.holder_set import HolderSet
from connector_bus.policy.holders import EVERYONE, Holder
from connector_bus.policy.roles import Role

#: How many topics without assignments are remembered, each with one reference; then they are forgotten together.
REMEMBERED: Final = 20_000

MakeSet = Callable[[frozenset[Holder]], HolderSet]


def is_topic(path: str) -> bool:
    """Whether a path names a topic: the root `/`, or levels that are not empty, without wildcards."""
    return path == ROOT or (bool(path) and all(path.split("/")) and not set(path) & {"*", "#"})


def topic_levels(path: str) -> Iterable[str]:
    """The root and all topics above one, and itself: for `a/b` that is `/`, `a`, `a/b`."""
    yield ROOT
    if path != ROOT:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            yield "/".join(parts[:count])


@final
class _Level:
    """One level of the tree: its result, and the levels below."""

    __slots__ = ("below", "effective", "held")

    def __init__(self, effective: dict[Role, frozenset[Holder]], held: dict[Role, HolderSet]) -> None:
        self.effective = effective
        self.held = held
        self.below: dict[str, _Level] = {}


@final
class CompiledTopics:
    """Who holds sender and receiver on each topic of one space. Safe to use from any thread; nothing in it blocks.

    Args:
        tree: What is assigned.
        space: The topic space's own effective holders, which the root starts with.
        make: Makes sets; asked with equal holders it may answer the same one.

    Mutable state: `_remembered`, whose entries anybody may work out anew; single dictionary operations, no lock.
    """

    __slots__ = ("_anybody", "_nobody", "_remembered", "_root", "_topics", "checked")

    def __init__(self, tree: TopicTree, space: dict[Role, frozenset[Holder]], make: MakeSet) -> None:
        self.checked = tree.checked
        self._anybody = make(frozenset({EVERYONE}))
        self._nobody = make(frozenset())
        self._topics: dict[Role, dict[str, HolderSet]] = {role: {} for role in TOPIC_ROLES}
        self._remembered: dict[Role, dict[str, HolderSet]] = {role: {} for role in TOPIC_ROLES}
        self._root = self._level(space, tree.topics.get(ROOT, TopicGrants()), make)
        self._note(ROOT, self._root)
        # Shorter ones first: whatever is above a topic is there before it.
        for path in sorted(tree.topics, key=lambda path: path.count("/")):
            if path != ROOT and is_topic(path):
                self._add(path, tree.topics[path], make)

    def holders(self, role: Role, topic: str) -> HolderSet:
        """Who holds the role on a topic; nobody holds another role than sender and receiver, or one on no topic."""
        if not self.checked:
            return self._anybody
        known = self._topics.get(role)
        if known is None:
            return self._nobody
        found = known.get(topic) or self._remembered[role].get(topic)
        return found if found is not None else self._nearest(role, topic)

    def _nearest(self, role: Role, topic: str) -> HolderSet:
        if not is_topic(topic):
            return self._nobody
        level = self._root
        for name in topic.split("/"):
            below = level.below.get(name)
            if below is None:
                break
            level = below
        remembered = self._remembered[role]
        if len(remembered) >= REMEMBERED:
            remembered.clear()
        remembered[topic] = level.held[role]
        return level.held[role]

    def _add(self, path: str, grants: TopicGrants, make: MakeSet) -> None:
        level = self._root
        *above, last = path.split("/")
        for name in above:
            # A level without assignments has the result of the one above it.
            level = level.below.setdefault(name, _Level(level.effective, level.held))
        level.below[last] = self._level(level.effective, grants, make)
        self._note(path, level.below[last])

    def _note(self, path: str, level: _Level) -> None:
        for role in TOPIC_ROLES:
            self._topics[role][path] = level.held[role]

    @staticmethod
    def _level(above: dict[Role, frozenset[Holder]], grants: TopicGrants, make: MakeSet) -> _Level:
        effective = {}
        for role in TOPIC_ROLES:
            inherited = above.get(role, frozenset()) if role in grants.inherits else frozenset()
            effective[role] = inherited | grants.roles.get(role, frozenset())
        return _Level(effective, {role: make(holders) for role, holders in effective.items()})
