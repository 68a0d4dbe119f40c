"""Topic patterns, and the tree that finds those that match a topic: against asking each of them (BUS-6)."""

from __future__ import annotations

import re

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from connector.errors import MessagingError
from connector_bus.engine.topic_index import TopicIndex
from connector_bus.engine.topic_pattern import TopicPattern, levels_of, parse_pattern

PHASES = [phase for phase in Phase if phase is not Phase.explain]


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("/", "/"),
        ("sports", "sports"),
        ("sports/*", "sports/*"),
        ("sports/#", "sports/#"),
        ("#", "#"),
        ("sports//.", "sports/#"),
        ("//.", "#"),
        ("sports//*", "sports/#/*"),
        ("sports//football", "sports/#/football"),
        ("//football", "#/football"),
        ("a/#/#/b", "a/#/b"),
        ("*/football", "*/football"),
    ],
)
def test_a_pattern_is_read_in_both_notations(written: str, canonical: str) -> None:
    assert parse_pattern(written).text == canonical
    assert parse_pattern(canonical).text == canonical


@pytest.mark.parametrize("written", ["", "/a", "a/", "a/b*", "#a", "a//", "///", "///."])
def test_what_is_no_pattern_is_refused(written: str) -> None:
    with pytest.raises(MessagingError) as caught:
        parse_pattern(written)
    assert caught.value.code == "CF-BUS-183"


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", ["/"], ["a"]),
        ("#", ["/", "a", "a/b/c"], []),
        ("*", ["a"], ["/", "a/b"]),
        ("a", ["a"], ["/", "a/b", "b"]),
        ("a/#", ["a", "a/b", "a/b/c"], ["/", "b/a"]),
        ("a/*", ["a/b"], ["a", "a/b/c"]),
        ("a/#/z", ["a/z", "a/b/z", "a/b/c/z"], ["a", "a/z/b"]),
        ("#/z", ["z", "a/z"], ["z/a", "/"]),
        ("a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]),
    ],
)
def test_wildcards_stand_for_one_level_or_for_any_number(pattern: str, matching: list[str], others: list[str]) -> None:
    index = TopicIndex[str]()
    index.add(parse_pattern(pattern), "x")
    assert [topic for topic in (*matching, *others) if index.match(levels_of(topic))] == matching


def naive(pattern: TopicPattern, topic: str) -> bool:
    """The same by a regular expression."""
    written = "".join(
        {"*": "/[^/]+", "#": "(?:/[^/]+)*"}.get(level, f"/{re.escape(level)}") for level in pattern.levels
    )
    return re.fullmatch(written, "".join(f"/{level}" for level in levels_of(topic))) is not None


LEVELS = st.sampled_from(["a", "b", "c"])
TOPICS = st.lists(LEVELS, max_size=5).map(lambda levels: "/".join(levels) or "/")
PATTERNS = st.lists(st.one_of(LEVELS, st.sampled_from(["*", "#"])), max_size=5).map(
    lambda levels: parse_pattern("/".join(levels) or "/")
)


@settings(phases=PHASES)
@given(st.lists(PATTERNS, max_size=12), TOPICS)
def test_the_tree_finds_what_asking_each_pattern_finds(patterns: list[TopicPattern], topic: str) -> None:
    index = TopicIndex[int]()
    for number, pattern in enumerate(patterns):
        index.add(pattern, number)
    found = index.match(levels_of(topic))
    assert sorted(found) == [number for number, pattern in enumerate(patterns) if naive(pattern, topic)]


class Tree(RuleBasedStateMachine):
    """Items come and go; nothing is left of those that are gone."""

    def __init__(self) -> None:
        super().__init__()
        self.index = TopicIndex[int]()
        self.items: dict[int, TopicPattern] = {}
        self.number = 0

    @rule(pattern=PATTERNS)
    def add(self, pattern: TopicPattern) -> None:
        self.number += 1
        self.items[self.number] = pattern
        self.index.add(pattern, self.number)

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        if self.items:
            number = data.draw(st.sampled_from(sorted(self.items)))
            self.index.remove(self.items.pop(number), number)

    @rule(pattern=PATTERNS)
    def remove_what_is_not_there(self, pattern: TopicPattern) -> None:
        self.index.remove(pattern, -1)

    @rule(topic=TOPICS)
    def match(self, topic: str) -> None:
        expected = [number for number, pattern in self.items.items() if naive(pattern, topic)]
        assert sorted(self.index.match(levels_of(topic))) == sorted(expected)

    @invariant()
    def nothing_is_left_of_an_empty_tree(self) -> None:
        if not self.items:
            assert self.index._root.below == {}
            assert self.index._root.items == {}


Tree.TestCase.settings = settings(phases=PHASES, stateful_step_count=30)
test_items_come_and_go = Tree.TestCase
