"""Temporary destinations: creator and sender by prefix, never cut; who made one keeps the role (BUS-7)."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from support_bus import FakeIdentity, MemoryAudit

from connector.errors import AccessDenied
from connector.spi import Subject
from connector_bus.engine.access import AccessControl
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants
from connector_bus.policy.explanation import explain
from connector_bus.policy.holders import Holder, HolderKind
from connector_bus.policy.place import Place
from connector_bus.policy.roles import ResourceType, Role

ALICE = Subject.of_user("alice", "weather", ["clients"])
BOB = Subject.of_user("bob", "weather")
NOBODY = Subject.unauthenticated()


def prefix(*, inherits: bool, **roles: str) -> ResourceGrants:
    held = {Role(role): frozenset({Holder(HolderKind.USER, name)}) for role, name in roles.items()}
    return ResourceGrants(ResourceType.TEMPORARY, held, inherits)


def compiled(prefixes: Mapping[str, ResourceGrants]) -> CompiledPolicy:
    return CompiledPolicy(PolicyDefinition("weather", "weather", temporary_prefixes=prefixes))


def test_a_new_bus_lets_all_authenticated_make_and_send_to_temporary_destinations() -> None:
    policy = compiled({})
    for role in (Role.CREATOR, Role.SENDER):
        assert [policy.decide_prefix(who, role, "any") for who in (ALICE, BOB, NOBODY)] == [True, True, False]


def test_nobody_receives_from_a_prefix_by_a_role() -> None:
    assert not compiled({}).decide_prefix(ALICE, Role.RECEIVER, "any")
    assert not compiled({}).decide_prefix(ALICE, Role.BROWSER, "any")


def test_a_prefix_without_inheritance_is_for_those_it_names() -> None:
    policy = compiled({"ORDERS": prefix(inherits=False, creator="alice", sender="bob")})
    assert [policy.decide_prefix(who, Role.CREATOR, "ORDERS") for who in (ALICE, BOB)] == [True, False]
    assert [policy.decide_prefix(who, Role.SENDER, "ORDERS") for who in (ALICE, BOB)] == [False, True]


def test_long_prefixes_are_told_apart_to_their_last_character() -> None:
    policy = compiled(
        {
            "ORDERS_EUROPE_A": prefix(inherits=False, creator="alice"),
            "ORDERS_EUROPE_B": prefix(inherits=False, creator="bob"),
        }
    )
    assert [policy.decide_prefix(ALICE, Role.CREATOR, f"ORDERS_EUROPE_{letter}") for letter in "ABC"] == [
        True,
        False,
        True,
    ]


def test_all_prefixes_that_it_begins_with_give_their_roles_and_the_longest_decides_about_defaults() -> None:
    policy = compiled(
        {"ORDERS": prefix(inherits=True, sender="alice"), "ORDERS_EU": prefix(inherits=False, sender="bob")}
    )
    assert policy.decide_prefix(ALICE, Role.SENDER, "ORDERS_EU_1")
    assert policy.decide_prefix(BOB, Role.SENDER, "ORDERS_EU_1")
    carol = Subject.of_user("carol", "weather")
    assert not policy.decide_prefix(carol, Role.SENDER, "ORDERS_EU_1")
    assert policy.decide_prefix(carol, Role.SENDER, "ORDERS_US")


def test_an_empty_prefix_is_decided_by_the_default_resource_alone() -> None:
    policy = compiled({"A": prefix(inherits=False)})
    assert policy.decide_prefix(ALICE, Role.CREATOR, "")


def test_the_explanation_names_the_prefix() -> None:
    policy = compiled({"ORDERS": prefix(inherits=False, sender="alice")})
    words = str(explain(policy, BOB, Role.SENDER, Place(ResourceType.TEMPORARY, "ORDERS_EU")))
    assert "assigned on prefix ORDERS (rejected): held by user:alice" in words
    assert "inheritance is switched off for the longest prefix" in words
    unlisted = explain(compiled({}), NOBODY, Role.SENDER, Place(ResourceType.TEMPORARY, "X"))
    assert "no configured prefix fits: only the default resource decides" in str(unlisted)


def access(prefixes: Mapping[str, ResourceGrants]) -> AccessControl:
    return AccessControl(compiled(prefixes), FakeIdentity(), MemoryAudit(), bus_security=True)


def test_who_makes_one_is_in_the_creator_role_of_its_prefix_until_the_last_of_them_is_gone() -> None:
    control = access({"ORDERS": prefix(inherits=False, creator="alice")})
    control.require_prefix(ALICE, Role.CREATOR, "ORDERS")
    gone = [control.temporary_made("ORDERS", ALICE), control.temporary_made("ORDERS", ALICE)]
    control.replace(compiled({"ORDERS": prefix(inherits=False)}))
    gone[0]()
    control.require_prefix(ALICE, Role.CREATOR, "ORDERS")
    gone[1]()
    with pytest.raises(AccessDenied) as caught:
        control.require_prefix(ALICE, Role.CREATOR, "ORDERS")
    assert caught.value.code == "CF-BUS-122"


def test_being_its_creator_gives_no_other_right_and_none_to_the_unauthenticated() -> None:
    control = access({"ORDERS": prefix(inherits=False)})
    control.temporary_made("ORDERS", ALICE)
    control.temporary_made("ORDERS", NOBODY)
    with pytest.raises(AccessDenied) as caught:
        control.require_prefix(ALICE, Role.SENDER, "ORDERS")
    assert caught.value.code == "CF-BUS-123"
    for subject, name in ((NOBODY, "ORDERS"), (ALICE, "ORDERS_EU"), (BOB, "ORDERS")):
        with pytest.raises(AccessDenied):
            control.require_prefix(subject, Role.CREATOR, name)
