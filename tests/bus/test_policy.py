"""Roles, pairings, inheritance, special groups, and the explanation of each decision (BUS-2..5, BUS-16)."""

from __future__ import annotations

import pytest

from connector.spi import Subject, Verdict
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, SERVER, Holder, HolderKind, parse_holder
from connector_bus.policy.roles import POSSIBLE_ROLES, ResourceType, Role, inherited_roles

NOBODY = Subject.unauthenticated()
ALICE = Subject.of_user("alice", "weather", ["clients"])
BOB = Subject.of_user("bob", "weather")
ENGINE = Subject.server("weather", "weather")
PARTNER = Subject.of_user("alice", "partners", ["clients"])
STRANGER = Subject.of_user("alice", "elsewhere", ["clients"])

HOLDERS = [
    EVERYONE,
    ALL_AUTHENTICATED,
    SERVER,
    Holder(HolderKind.USER, "alice"),
    Holder(HolderKind.USER, "bob"),
    Holder(HolderKind.GROUP, "clients"),
    Holder(HolderKind.GROUP, "alice"),
]


def policy(*, own: dict[Role, frozenset[Holder]] | None = None, inherits: bool = True) -> CompiledPolicy:
    grants = ResourceGrants(ResourceType.QUEUE, own or {}, inherits)
    return CompiledPolicy(PolicyDefinition("bus", "weather", frozenset({"partners"}), resources={"q": grants}))


def test_a_new_bus_lets_only_the_server_connect_and_all_authenticated_use_its_queues() -> None:
    new = policy()
    assert [new.decide(subject, Role.CONNECTOR) for subject in (NOBODY, ALICE, ENGINE)] == [False, False, True]
    for role in (Role.SENDER, Role.RECEIVER, Role.BROWSER):
        assert [new.decide(subject, role, "q") for subject in (NOBODY, ALICE, BOB)] == [False, True, True]


def test_own_assignments_are_added_to_the_inherited_ones() -> None:
    added = policy(own={Role.SENDER: frozenset({EVERYONE})})
    assert added.decide(NOBODY, Role.SENDER, "q")
    assert added.decide(BOB, Role.RECEIVER, "q")


def test_without_inheritance_only_the_own_assignments_count() -> None:
    alone = policy(own={Role.SENDER: frozenset({Holder(HolderKind.GROUP, "clients")})}, inherits=False)
    assert alone.decide(ALICE, Role.SENDER, "q")
    assert not alone.decide(BOB, Role.SENDER, "q")
    assert not alone.decide(ALICE, Role.RECEIVER, "q")


def test_a_name_of_another_realm_is_not_ours() -> None:
    named = policy(own={Role.SENDER: frozenset({Holder(HolderKind.USER, "alice")})}, inherits=False)
    assert [named.decide(subject, Role.SENDER, "q") for subject in (ALICE, PARTNER, STRANGER)] == [True, False, False]


def test_a_trusted_realm_counts_as_authenticated_and_a_foreign_one_as_nobody() -> None:
    assert policy().decide(PARTNER, Role.SENDER, "q")
    assert not policy().decide(STRANGER, Role.SENDER, "q")


def test_a_user_and_a_group_of_one_name_differ() -> None:
    grouped = policy(own={Role.SENDER: frozenset({Holder(HolderKind.GROUP, "alice")})}, inherits=False)
    assert not grouped.decide(ALICE, Role.SENDER, "q")


def test_an_unknown_resource_is_denied() -> None:
    assert not policy().decide(ALICE, Role.SENDER, "other")
    assert not policy().decide(ENGINE, Role.CONNECTOR, "q")


@pytest.mark.parametrize(
    ("kind", "roles"),
    [
        (ResourceType.BUS, {"connector"}),
        (ResourceType.QUEUE, {"sender", "receiver", "browser"}),
        (ResourceType.PORT, {"sender", "receiver", "browser"}),
        (ResourceType.ALIAS, {"sender", "receiver", "browser"}),
        (ResourceType.TOPIC_SPACE, {"sender", "receiver"}),
        (ResourceType.TOPIC, {"sender", "receiver"}),
        (ResourceType.FOREIGN_DESTINATION, {"sender"}),
        (ResourceType.FOREIGN_BUS, {"sender"}),
        (ResourceType.TEMPORARY, {"sender", "creator"}),
    ],
)
def test_each_type_can_have_just_its_roles(kind: ResourceType, roles: set[str]) -> None:
    assert POSSIBLE_ROLES[kind] == roles


def test_the_creator_role_is_for_temporary_prefixes_and_what_they_inherit_from() -> None:
    holding = {kind for kind, roles in POSSIBLE_ROLES.items() if Role.CREATOR in roles}
    assert holding == {ResourceType.TEMPORARY, ResourceType.DEFAULT}
    assert [kind for kind in ResourceType if Role.CREATOR in inherited_roles(kind)] == [ResourceType.TEMPORARY]


def test_only_roles_that_a_type_can_have_are_inherited_and_none_by_what_is_foreign() -> None:
    assert inherited_roles(ResourceType.TOPIC_SPACE) == {Role.SENDER, Role.RECEIVER}
    assert inherited_roles(ResourceType.FOREIGN_DESTINATION) == frozenset()


def test_the_explanation_names_the_assignment_and_its_origin() -> None:
    explanation = policy().explain(ALICE, Role.SENDER, "q")
    assert explanation.answer == "allowed"
    own, inherited, holder = explanation.steps
    assert own.verdict is Verdict.REJECTED
    assert (inherited.verdict, inherited.what) == (Verdict.TAKEN, "inherited from the default resource")
    assert holder.what == "holder AllAuthenticated"


def test_the_explanation_of_a_denial_names_who_holds_the_role() -> None:
    explanation = policy(own={Role.SENDER: frozenset({SERVER})}, inherits=False).explain(ALICE, Role.SENDER, "q")
    assert explanation.answer == "denied: alice@weather does not hold the sender role on q on bus bus"
    assert "held by Server" in str(explanation)


@pytest.mark.parametrize("text", ["alice", "user:", "role:x", "everyone", "", ":x"])
def test_anything_else_than_a_holder_is_not_read_as_one(text: str) -> None:
    assert parse_holder(text) is None


def test_a_holder_reads_back_as_it_is_written() -> None:
    assert [parse_holder(str(holder)) for holder in HOLDERS] == HOLDERS
