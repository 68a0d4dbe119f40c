"""Which patterns a topic matches, without asking each of them: a tree of their levels (BUS-6)."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar, final

from connector_bus.engine.topic_pattern import ANY, ONE, TopicPattern

ItemT = TypeVar("ItemT", bound=Hashable)


class _Node(Generic[ItemT]):
    __slots__ = ("below", "items")

    def __init__(self) -> None:
        self.below: dict[str, _Node[ItemT]] = {}
        self.items: dict[ItemT, None] = {}  # in the order in which they came


@final
class TopicIndex(Generic[ItemT]):
    """Items by pattern. Not safe for threads by itself: its owner holds a lock.

    What a match costs depends on the topic's levels and on the patterns that match so far, not on how many there are.
    """

    __slots__ = ("_root",)

    def __init__(self) -> None:
        self._root: _Node[ItemT] = _Node()

    def add(self, pattern: TopicPattern, item: ItemT) -> None:
        """Put an item in; one that is there stays where it is."""
        node = self._root
        for level in pattern.levels:
            node = node.below.setdefault(level, _Node())
        node.items[item] = None

    def remove(self, pattern: TopicPattern, item: ItemT) -> None:
        """Take an item out, and the branches that nothing is on any more. Harmless for one that isn't there."""
        path = [self._root]
        for level in pattern.levels:
            node = path[-1].below.get(level)
            if node is None:
                return
            path.append(node)
        path[-1].items.pop(item, None)
        for level, parent, node in zip(reversed(pattern.levels), reversed(path[:-1]), reversed(path[1:]), strict=True):
            if node.items or node.below:
                return
            del parent.below[level]

    def match(self, levels: tuple[str, ...]) -> list[ItemT]:
        """The items whose patterns match a topic of these levels; each once."""
        exact, gaps = self._opened({self._root: None}, {})
        for level in levels:
            after: dict[_Node[ItemT], None] = {}
            for node in (*exact, *gaps):
                for step in (level, ONE):
                    below = node.below.get(step)
                    if below is not None:
                        after[below] = None
            exact, gaps = self._opened(after, gaps)  # a gap may go on over any number of levels
        found: dict[ItemT, None] = {}
        for node in (*exact, *gaps):
            found.update(node.items)
        return list(found)

    @staticmethod
    def _opened(
        exact: dict[_Node[ItemT], None], gaps: dict[_Node[ItemT], None]
    ) -> tuple[dict[_Node[ItemT], None], dict[_Node[ItemT], None]]:
        """The nodes that are reached, and those of `#` among them or right behind, which may stand for no level."""
        opened = dict(gaps)
        for node in (*exact, *gaps):
            gap = node.below.get(ANY)
            if gap is not None:
                opened[gap] = None
        return exact, opened
