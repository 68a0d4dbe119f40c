"""Whole policies against the oracle: destinations, aliases, topics, foreign buses, prefixes (BUS-2..9, BUS-13)."""

from __future__ import annotations

import support_policy_oracle as oracle
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connector.spi import Subject
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import (
    TOPIC_ROLES,
    AliasCheck,
    AliasTarget,
    Assignments,
    ForeignAddress,
    PolicyDefinition,
    ResourceGrants,
    TopicGrants,
    TopicTree,
)
from connector_bus.policy.explanation import explain, explain_foreign
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, SERVER, Holder, HolderKind
from connector_bus.policy.place import Place
from connector_bus.policy.roles import ResourceType, Role

# Without explaining failures: that can run for minutes on definitions of this size.
QUIET = settings(
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
    suppress_health_check=[HealthCheck.too_slow],
    max_examples=150,
)

SUBJECTS = [
    Subject.unauthenticated(),
    Subject((), read_only=True),
    Subject.of_user("alice", "weather", ["clients", "ops"]),
    Subject.of_user("bob", "weather"),
    Subject.of_user("weather", "weather", ["ops"]),
    Subject.server("weather", "weather"),
    Subject.of_user("alice", "partners", ["clients"]),
    Subject.server("engine", "partners"),
    Subject.of_user("alice", "elsewhere", ["clients"]),
]
HOLDERS = [
    EVERYONE,
    ALL_AUTHENTICATED,
    SERVER,
    *(Holder(HolderKind.USER, name) for name in ("alice", "bob", "weather")),
    *(Holder(HolderKind.GROUP, name) for name in ("clients", "ops", "alice")),
]
NAMES = ["q", "r", "news", "alias", "other", "far", "gone"]
BUSES = ["france", "spain"]
TOPICS = ["/", "a", "a/b", "a/b/c", "d/e"]
ASKED = [*TOPICS, "a/b/c/d", "a/x", "d", "z", "", "a//b", "a/*", "/a"]
PREFIXES = ["OR", "ORDERS", "ORDERS_EU", "X"]


def tables(roles: list[Role]) -> st.SearchStrategy[Assignments]:
    holders = st.frozensets(st.sampled_from(HOLDERS), max_size=2)
    return st.dictionaries(st.sampled_from(roles), holders, max_size=len(roles))


@st.composite
def destinations(draw: st.DrawFn) -> ResourceGrants:
    kind = draw(
        st.sampled_from(
            [
                ResourceType.QUEUE,
                ResourceType.PORT,
                ResourceType.TOPIC_SPACE,
                ResourceType.ALIAS,
                ResourceType.ALIAS,
                ResourceType.FOREIGN_DESTINATION,
            ]
        )
    )
    alias, foreign, topics = None, None, TopicTree()
    if kind is ResourceType.ALIAS:
        bus = draw(st.sampled_from([None, None, None, "here", *BUSES]))
        alias = AliasTarget(draw(st.sampled_from(NAMES)), bus, draw(st.sampled_from(AliasCheck)))
    elif kind is ResourceType.FOREIGN_DESTINATION:
        foreign = ForeignAddress(draw(st.sampled_from(BUSES)), draw(st.sampled_from(NAMES)))
    elif kind is ResourceType.TOPIC_SPACE:
        grants = st.builds(
            TopicGrants, tables([Role.SENDER, Role.RECEIVER]), st.frozensets(st.sampled_from(sorted(TOPIC_ROLES)))
        )
        tree = draw(st.dictionaries(st.sampled_from(TOPICS), grants))
        topics = TopicTree(tree, checked=draw(st.integers(0, 5)) > 0)
    # Roles that the type can't have are written as well: they have to count for nothing.
    return ResourceGrants(kind, draw(tables(list(Role))), draw(st.booleans()), alias, foreign, topics)


@st.composite
def definitions(draw: st.DrawFn) -> PolicyDefinition:
    resources = draw(st.dictionaries(st.sampled_from(NAMES), destinations(), min_size=2))
    addresses: set[ForeignAddress] = set()
    for name, grants in list(resources.items()):
        if grants.foreign is not None and grants.foreign in addresses:
            del resources[name]  # the configuration refuses a second one
        elif grants.foreign is not None:
            addresses.add(grants.foreign)
    prefixes = st.builds(
        ResourceGrants, st.just(ResourceType.TEMPORARY), tables([Role.SENDER, Role.CREATOR]), st.booleans()
    )
    return PolicyDefinition(
        bus="here",
        realm="weather",
        trusted_realms=frozenset({"partners"}),
        connectors=draw(st.frozensets(st.sampled_from(HOLDERS), max_size=2)),
        defaults=draw(tables([Role.SENDER, Role.RECEIVER, Role.BROWSER, Role.CREATOR])),
        resources=resources,
        foreign_buses=draw(st.dictionaries(st.sampled_from(BUSES), tables([Role.SENDER]))),
        temporary_prefixes=draw(st.dictionaries(st.sampled_from(PREFIXES), prefixes)),
    )


@QUIET
@given(definition=definitions(), subject=st.sampled_from(SUBJECTS), role=st.sampled_from(Role))
def test_every_decision_on_a_destination_is_the_one_of_the_texts(
    definition: PolicyDefinition, subject: Subject, role: Role
) -> None:
    compiled = CompiledPolicy(definition)
    for name in NAMES:
        expected = oracle.may_use(definition, subject, role, name)
        assert compiled.decide(subject, role, name) is expected, name
        assert (compiled.explain(subject, role, name).answer == "allowed") is expected, name
    connects = role is Role.CONNECTOR and oracle.is_one_of(subject, definition.connectors, definition)
    assert compiled.decide(subject, role) is connects
    assert (compiled.explain(subject, role).answer == "allowed") is connects


@QUIET
@given(definition=definitions(), subject=st.sampled_from(SUBJECTS), role=st.sampled_from(Role))
def test_every_decision_on_a_topic_is_the_one_of_the_texts(
    definition: PolicyDefinition, subject: Subject, role: Role
) -> None:
    compiled = CompiledPolicy(definition)
    for name in NAMES:
        for topic in ASKED * 2:  # the second time from what was remembered
            expected = oracle.may_use_topic(definition, subject, role, name, topic)
            assert compiled.decide(subject, role, name, topic) is expected, (name, topic)
            assert (compiled.explain(subject, role, name, topic).answer == "allowed") is expected, (name, topic)


@QUIET
@given(definition=definitions(), subject=st.sampled_from(SUBJECTS), role=st.sampled_from(Role))
def test_every_decision_on_a_prefix_and_on_what_is_foreign_is_the_one_of_the_texts(
    definition: PolicyDefinition, subject: Subject, role: Role
) -> None:
    compiled = CompiledPolicy(definition)
    for prefix in [*PREFIXES, "ORDERS_EU_1", "ORD", "Y", ""] * 2:
        expected = oracle.may_use_prefix(definition, subject, role, prefix)
        assert compiled.decide_prefix(subject, role, prefix) is expected, prefix
        explained = explain(compiled, subject, role, Place(ResourceType.TEMPORARY, prefix))
        assert (explained.answer == "allowed") is expected, prefix
    for bus in [*BUSES, "italy"]:
        for name in NAMES:
            expected = oracle.may_send_abroad(definition, subject, bus, name)
            assert compiled.decide_foreign(subject, bus, name) is expected, (bus, name)
            explained = explain_foreign(compiled, subject, ForeignAddress(bus, name))
            assert (explained.answer == "allowed") is expected, (bus, name)


@QUIET
@given(definition=definitions(), subject=st.sampled_from(SUBJECTS), role=st.sampled_from(Role))
def test_whoever_is_allowed_by_an_explanation_is_shown_one_taken_origin_for_each_part(
    definition: PolicyDefinition, subject: Subject, role: Role
) -> None:
    compiled = CompiledPolicy(definition)
    for name in NAMES:
        explanation = compiled.explain(subject, role, name)
        nested = [step.steps for step in explanation.steps if step.steps] or [explanation.steps]
        if explanation.answer == "allowed":
            for steps in nested:
                assert [step.facts != () for step in steps].count(True) == 1
        else:
            words = str(explanation)
            assert "what would help" in words or "(failed)" in words
