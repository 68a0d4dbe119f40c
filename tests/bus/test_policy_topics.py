"""Topic spaces and topics: both are needed, topics inherit, blockers stop it, each role for itself (BUS-6)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from connector.spi import Subject, Verdict
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants, TopicGrants, TopicTree
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, Holder, HolderKind
from connector_bus.policy.roles import ResourceType, Role
from connector_bus.policy.topics import REMEMBERED

ALICE = Subject.of_user("alice", "weather", ["editors"])
BOB = Subject.of_user("bob", "weather")
NOBODY = Subject.unauthenticated()
HOLDS_ALICE = frozenset({Holder(HolderKind.USER, "alice")})
HOLDS_BOB = frozenset({Holder(HolderKind.USER, "bob")})
HOLDS_EDITORS = frozenset({Holder(HolderKind.GROUP, "editors")})
ONLY_RECEIVER = frozenset({Role.RECEIVER})


def news(topics: Mapping[str, TopicGrants], *, checked: bool = True, inherits: bool = False) -> CompiledPolicy:
    """A topic space that alice and bob may send to and receive from."""
    everybody = HOLDS_ALICE | HOLDS_BOB
    roles = {Role.SENDER: everybody, Role.RECEIVER: everybody}
    space = ResourceGrants(ResourceType.TOPIC_SPACE, roles, inherits, topics=TopicTree(topics, checked=checked))
    return CompiledPolicy(PolicyDefinition("bus", "weather", resources={"news": space}))


def test_a_topic_without_assignments_is_for_whoever_may_use_the_topic_space() -> None:
    policy = news({})
    for topic in ("/", "sports", "sports/football"):
        assert policy.decide(ALICE, Role.SENDER, "news", topic)
        assert not policy.decide(NOBODY, Role.SENDER, "news", topic)


def test_a_grant_on_a_topic_covers_what_is_below_it() -> None:
    blocked = TopicGrants({Role.SENDER: HOLDS_ALICE}, ONLY_RECEIVER)
    policy = news({"sports": blocked})
    for topic in ("sports", "sports/football", "sports/football/uk"):
        assert policy.decide(ALICE, Role.SENDER, "news", topic)
        assert not policy.decide(BOB, Role.SENDER, "news", topic)
    assert policy.decide(BOB, Role.SENDER, "news", "sport")
    assert policy.decide(BOB, Role.SENDER, "news", "sportscars")


def test_a_blocker_stops_one_role_and_leaves_the_other() -> None:
    policy = news({"internal": TopicGrants({}, ONLY_RECEIVER)})
    assert not policy.decide(ALICE, Role.SENDER, "news", "internal")
    assert policy.decide(ALICE, Role.RECEIVER, "news", "internal")


def test_what_is_assigned_at_or_below_a_blocker_counts() -> None:
    policy = news(
        {
            "a": TopicGrants({Role.SENDER: HOLDS_BOB}),
            "a/b": TopicGrants({Role.SENDER: HOLDS_ALICE}, ONLY_RECEIVER),
            "a/b/c": TopicGrants({Role.SENDER: HOLDS_BOB}),
        }
    )
    assert [policy.decide(ALICE, Role.SENDER, "news", topic) for topic in ("a", "a/b", "a/b/c", "a/b/d")] == [True] * 4
    assert policy.decide(BOB, Role.SENDER, "news", "a/b/c")
    assert not policy.decide(BOB, Role.SENDER, "news", "a/b")
    assert not policy.decide(BOB, Role.SENDER, "news", "a/b/d")


def test_the_root_can_be_closed_and_then_only_what_is_assigned_below_counts() -> None:
    closed = TopicGrants({}, frozenset())
    policy = news({"/": closed, "open": TopicGrants({Role.RECEIVER: HOLDS_ALICE})})
    assert not policy.decide(ALICE, Role.RECEIVER, "news", "/")
    assert not policy.decide(ALICE, Role.RECEIVER, "news", "other")
    assert policy.decide(ALICE, Role.RECEIVER, "news", "open/door")


def test_roles_of_the_root_are_added_and_do_not_replace_the_topic_space() -> None:
    policy = news({"/": TopicGrants({Role.SENDER: frozenset({EVERYONE})})})
    assert policy.decide_topic(NOBODY, Role.SENDER, "news", "x")
    assert not policy.decide(NOBODY, Role.SENDER, "news", "x"), "the topic space is needed as well"


def test_a_grant_on_a_topic_is_worth_nothing_without_the_topic_space() -> None:
    carol = Subject.of_user("carol", "weather", ["editors"])
    policy = news({"sports": TopicGrants({Role.RECEIVER: HOLDS_EDITORS})})
    assert policy.decide_topic(carol, Role.RECEIVER, "news", "sports")
    assert not policy.decide(carol, Role.RECEIVER, "news", "sports")


def test_the_root_starts_with_inherited_defaults_too() -> None:
    policy = news({}, inherits=True)
    carol = Subject.of_user("carol", "weather")
    assert policy.decide(carol, Role.SENDER, "news", "sports")
    assert ALL_AUTHENTICATED in policy.definition.defaults[Role.SENDER]


def test_a_space_without_topic_checks_asks_for_itself_alone() -> None:
    policy = news({"internal": TopicGrants({}, frozenset())}, checked=False)
    assert policy.decide(ALICE, Role.SENDER, "news", "internal")
    assert not policy.decide(NOBODY, Role.SENDER, "news", "internal")


def test_topic_spaces_are_independent() -> None:
    tree = TopicTree({"a": TopicGrants({}, frozenset())})
    resources = {
        "one": ResourceGrants(ResourceType.TOPIC_SPACE, topics=tree),
        "two": ResourceGrants(ResourceType.TOPIC_SPACE),
    }
    policy = CompiledPolicy(PolicyDefinition("bus", "weather", resources=resources))
    assert not policy.decide(ALICE, Role.SENDER, "one", "a")
    assert policy.decide(ALICE, Role.SENDER, "two", "a")


def test_nobody_browses_a_topic_space_and_a_queue_has_no_topics() -> None:
    queue = CompiledPolicy(PolicyDefinition("bus", "weather", resources={"q": ResourceGrants()}))
    assert not news({}, inherits=True).decide(ALICE, Role.BROWSER, "news", "a")
    assert not queue.decide(ALICE, Role.SENDER, "q", "a")
    assert "q is no topic space" in str(queue.explain(ALICE, Role.SENDER, "q", "a"))


@pytest.mark.parametrize("topic", ["", "a//b", "/a", "a/", "a/*", "#", "a*"])
def test_what_is_no_topic_is_nobody_s(topic: str) -> None:
    policy = news({})
    assert not policy.decide(ALICE, Role.SENDER, "news", topic)
    assert "is no topic" in str(policy.explain(ALICE, Role.SENDER, "news", topic))


def test_topics_that_come_and_go_do_not_fill_the_memory() -> None:
    policy = news({"kept": TopicGrants({}, frozenset())})
    topics = policy.topics_of("news")
    assert topics is not None
    for number in range(REMEMBERED + 10):
        assert topics.holders(Role.SENDER, f"t{number}").admits(ALICE)
    assert len(topics._remembered[Role.SENDER]) <= REMEMBERED
    assert not topics.holders(Role.SENDER, "kept/x").admits(ALICE)


def test_the_explanation_names_the_topic_that_gives_the_role() -> None:
    policy = news({"sports": TopicGrants({Role.SENDER: HOLDS_EDITORS}, ONLY_RECEIVER)})
    explanation = policy.explain(ALICE, Role.SENDER, "news", "sports/football")
    space, topic = explanation.steps
    assert (explanation.answer, space.verdict, topic.verdict) == ("allowed", Verdict.TAKEN, Verdict.TAKEN)
    (taken,) = [step for step in topic.steps if step.facts]
    assert taken.what == "inherited from topic sports"
    assert dict(taken.facts) == {"origin": "topic", "holder": "group:editors"}


def test_the_explanation_of_a_blocked_topic_says_where_it_is_blocked_and_what_would_help() -> None:
    policy = news({"sports": TopicGrants({}, ONLY_RECEIVER)})
    explanation = policy.explain(BOB, Role.SENDER, "news", "sports/football")
    assert explanation.answer.endswith("does not hold the sender role on topic sports/football of news on bus bus")
    words = str(explanation)
    assert "blocked at topic sports: held by user:alice, user:bob" in words
    assert "grant sender on topic sports/football of news to user:bob" in words
    assert "would let the subject in, but: blocked at topic sports" in words
