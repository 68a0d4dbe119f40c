"""Whole policies against the oracle: destinations, aliases, topics, foreign buses, prefixes (BUS-2..9, BUS-13)."""

from __future__ import annotations

from itertools import product

import support_policy_oracle as oracle
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from connector.spi import Explanation, Subject
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
    max_examples=100,
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
    Holder(HolderKind.USER, "alice", "id-1"),
    Holder(HolderKind.USER, "alice", "id-2"),  # somebody who had the name before
    Holder(HolderKind.USER, "bob", "id-1"),
    Holder(HolderKind.USER, "bob", "id-9"),
    Holder(HolderKind.USER, "weather", "id-1"),  # the registry knows no unique name of that user
    *(Holder(HolderKind.GROUP, name) for name in ("clients", "ops", "alice")),
]
NAMES = ["q", "r", "news", "alias", "other", "far", "gone"]
BUSES = ["france", "spain"]
TOPIC_SPACE_ROLES = [Role.SENDER, Role.RECEIVER, Role.BROWSER]
TOPICS = ["/", "a", "a/b", "a/b/c", "d/e"]
ASKED = [*TOPICS, "a/b/c/d", "a/x", "d", "z", "", "a//b", "a/*", "/a"]
PREFIXES = ["OR", "ORDERS", "ORDERS_EU", "X"]


def tables(roles: list[Role]) -> st.SearchStrategy[Assignments]:
    holders = st.frozensets(st.sampled_from(HOLDERS), max_size=2)
    return st.fixed_dictionaries({}, optional=dict.fromkeys(roles, holders))


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
        bus = draw(st.sampled_from([None, None, "here", *BUSES]))
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
        foreign_buses=draw(st.fixed_dictionaries({}, optional=dict.fromkeys(BUSES, tables([Role.SENDER])))),
        temporary_prefixes=draw(st.dictionaries(st.sampled_from(PREFIXES), prefixes)),
    )


@QUIET
@given(definition=definitions())
def test_every_decision_on_a_destination_is_the_one_of_the_texts(definition: PolicyDefinition) -> None:
    compiled = CompiledPolicy(definition, lambda user: oracle.UNIQUE_NAMES.get(user, ""))
    for subject, role, name in product(SUBJECTS, Role, NAMES):
        expected = oracle.may_use(definition, subject, role, name)
        assert compiled.decide(subject, role, name) is expected, (subject, role, name)
    for subject, role in product(SUBJECTS, Role):
        expected = role is Role.CONNECTOR and oracle.is_one_of(subject, definition.connectors, definition)
        assert compiled.decide(subject, role) is expected, (subject, role)


@QUIET
@given(definition=definitions())
def test_every_decision_on_a_topic_is_the_one_of_the_texts(definition: PolicyDefinition) -> None:
    compiled = CompiledPolicy(definition, lambda user: oracle.UNIQUE_NAMES.get(user, ""))
    kinds = {name: grants.kind for name, grants in definition.resources.items()}
    spaces = [name for name, kind in kinds.items() if kind in (ResourceType.TOPIC_SPACE, ResourceType.ALIAS)] + ["q"]
    for _ in range(2):  # the second time from what was remembered
        for subject, role, name, topic in product(SUBJECTS, TOPIC_SPACE_ROLES, spaces, ASKED):
            expected = oracle.may_use_topic(definition, subject, role, name, topic)
            assert compiled.decide(subject, role, name, topic) is expected, (subject, role, name, topic)


@QUIET
@given(definition=definitions())
def test_every_decision_on_a_prefix_and_on_what_is_foreign_is_the_one_of_the_texts(
    definition: PolicyDefinition,
) -> None:
    compiled = CompiledPolicy(definition, lambda user: oracle.UNIQUE_NAMES.get(user, ""))
    for subject, role, prefix in product(SUBJECTS, Role, [*PREFIXES, "ORDERS_EU_1", "ORD", "Y", ""]):
        expected = oracle.may_use_prefix(definition, subject, role, prefix)
        assert compiled.decide_prefix(subject, role, prefix) is expected, (subject, role, prefix)
    for subject, bus, name in product(SUBJECTS, [*BUSES, "italy"], NAMES):
        expected = oracle.may_send_abroad(definition, subject, bus, name)
        assert compiled.decide_foreign(subject, bus, name) is expected, (subject, bus, name)


@QUIET
@given(definition=definitions(), subject=st.sampled_from(SUBJECTS), role=st.sampled_from(Role))
def test_every_explanation_says_what_is_decided(definition: PolicyDefinition, subject: Subject, role: Role) -> None:
    compiled = CompiledPolicy(definition, lambda user: oracle.UNIQUE_NAMES.get(user, ""))
    told: list[tuple[Explanation, bool]] = [(compiled.explain(subject, role), compiled.decide(subject, role))]
    for name in NAMES:
        told.append((compiled.explain(subject, role, name), compiled.decide(subject, role, name)))
        for topic in ASKED:
            decided = compiled.decide(subject, role, name, topic)
            told.append((compiled.explain(subject, role, name, topic), decided))
        for bus in [*BUSES, "italy"]:
            explained = explain_foreign(compiled, subject, ForeignAddress(bus, name))
            told.append((explained, compiled.decide_foreign(subject, bus, name)))
    for prefix in [*PREFIXES, "ORD", ""]:
        explained = explain(compiled, subject, role, Place(ResourceType.TEMPORARY, prefix))
        told.append((explained, compiled.decide_prefix(subject, role, prefix)))
    for explanation, decided in told:
        assert (explanation.answer == "allowed") is decided, str(explanation)
        assert one_origin_is_taken(explanation) if decided else says_what_is_missing(explanation), str(explanation)


def one_origin_is_taken(explanation: Explanation) -> bool:
    """Of each part just one origin is taken."""
    parts = [step.steps for step in explanation.steps if step.steps] or [explanation.steps]
    return all([bool(step.facts) for step in steps].count(True) == 1 for steps in parts)


def says_what_is_missing(explanation: Explanation) -> bool:
    """What would have to be granted, or why nobody can have it."""
    return "what would help" in str(explanation) or "(failed)" in str(explanation)
