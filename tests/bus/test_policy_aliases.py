"""Aliases: the role on the alias, on its target, or on both; through chains, never in loops (BUS-13)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector.spi import Subject
from connector_bus.policy.alias_path import alias_path
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import (
    AliasCheck,
    AliasTarget,
    PolicyDefinition,
    ResourceGrants,
    TopicGrants,
    TopicTree,
)
from connector_bus.policy.holders import Holder, HolderKind
from connector_bus.policy.roles import ResourceType, Role

BOTH = Subject.of_user("both", "weather")
ALIAS = Subject.of_user("alias", "weather")
TARGET = Subject.of_user("target", "weather")


def holders(*names: str) -> frozenset[Holder]:
    return frozenset(Holder(HolderKind.USER, name) for name in names)


def sending(*names: str, kind: ResourceType = ResourceType.QUEUE, alias: AliasTarget | None = None) -> ResourceGrants:
    return ResourceGrants(kind, {Role.SENDER: holders(*names)}, inherits=False, alias=alias)


def an_alias(*names: str, to: str, check: AliasCheck = AliasCheck.BOTH, bus: str | None = None) -> ResourceGrants:
    return sending(*names, kind=ResourceType.ALIAS, alias=AliasTarget(to, bus, check))


def compiled(**resources: ResourceGrants) -> CompiledPolicy:
    foreign = {"france": {Role.SENDER: holders("target", "both")}}
    return CompiledPolicy(PolicyDefinition("here", "weather", resources=resources, foreign_buses=foreign))


def who(policy: CompiledPolicy, name: str = "a", role: Role = Role.SENDER) -> list[bool]:
    return [policy.decide(subject, role, name) for subject in (BOTH, ALIAS, TARGET)]


@pytest.mark.parametrize(
    ("check", "allowed"),
    [
        (AliasCheck.BOTH, [True, False, False]),
        (AliasCheck.TARGET, [True, False, True]),
        (AliasCheck.ALIAS, [True, True, False]),
    ],
)
@pytest.mark.parametrize("bus", [None, "here", "france"])
def test_the_check_says_where_the_role_is_needed(check: AliasCheck, allowed: list[bool], bus: str | None) -> None:
    policy = compiled(a=an_alias("both", "alias", to="q", check=check, bus=bus), q=sending("both", "target"))
    assert who(policy) == allowed


def test_the_default_is_both() -> None:
    assert AliasTarget("q").check is AliasCheck.BOTH


def test_each_alias_of_a_chain_says_for_itself_where_the_role_is_needed() -> None:
    middle = an_alias("alias", to="q", check=AliasCheck.ALIAS)
    policy = compiled(a=an_alias("both", to="m", check=AliasCheck.TARGET), m=middle, q=sending("target"))
    assert who(policy) == [False, True, False]


def test_a_loop_and_a_missing_target_are_nobody_s_and_say_so() -> None:
    policy = compiled(a=an_alias("both", to="b"), b=an_alias("both", to="a"), c=an_alias("both", to="nothing"))
    assert who(policy) == who(policy, "c") == [False] * 3
    assert "it comes round in a loop: a → b → a" in str(policy.explain(BOTH, Role.SENDER, "a"))
    assert "there is no destination nothing" in str(policy.explain(BOTH, Role.SENDER, "c"))


def test_an_alias_has_the_roles_of_its_target_s_type() -> None:
    space = ResourceGrants(ResourceType.TOPIC_SPACE)
    local = ResourceGrants(ResourceType.ALIAS, alias=AliasTarget("s", None, AliasCheck.ALIAS))
    policy = compiled(a=local, s=space)
    assert who(policy, role=Role.RECEIVER) == [True] * 3
    assert who(policy, role=Role.BROWSER) == [False] * 3
    assert "browser can't be held there; possible: receiver, sender" in str(policy.explain(BOTH, Role.BROWSER, "a"))


def test_a_local_alias_inherits_and_one_that_names_another_bus_does_not() -> None:
    local = ResourceGrants(ResourceType.ALIAS, alias=AliasTarget("q", None, AliasCheck.ALIAS))
    foreign = replace(local, alias=AliasTarget("q", "france", AliasCheck.ALIAS))
    assert who(compiled(a=local, q=sending())) == [True] * 3
    assert who(compiled(a=foreign)) == [False] * 3


def test_nothing_is_received_through_an_alias_that_names_another_bus() -> None:
    alias = ResourceGrants(
        ResourceType.ALIAS, {Role.RECEIVER: holders("both")}, alias=AliasTarget("q", "france", AliasCheck.ALIAS)
    )
    policy = compiled(a=alias)
    assert who(policy, role=Role.RECEIVER) == [False] * 3
    assert policy.owning_bus("a") == "france"


def test_topics_are_those_of_the_target_whatever_the_alias_checks() -> None:
    tree = TopicTree({"closed": TopicGrants({}, frozenset())})
    space = ResourceGrants(ResourceType.TOPIC_SPACE, {Role.SENDER: holders("target")}, inherits=False, topics=tree)
    policy = compiled(a=an_alias("alias", "target", to="s", check=AliasCheck.ALIAS), s=space)
    assert policy.decide(TARGET, Role.SENDER, "a", "open")
    assert not policy.decide(TARGET, Role.SENDER, "a", "closed")
    assert not policy.decide(ALIAS, Role.SENDER, "a", "open"), "the topics start with the space's own senders"


def test_the_explanation_shows_alias_and_target_and_which_of_them_refuses() -> None:
    policy = compiled(a=an_alias("both", "alias", to="q"), q=sending("both", "target"))
    explanation = policy.explain(ALIAS, Role.SENDER, "a")
    alias, target = explanation.steps
    assert (alias.what, alias.verdict.value) == ("a", "taken")
    assert (target.what, target.verdict.value) == ("q", "rejected")
    assert "grant sender on q to user:alias" in str(explanation)


def test_a_way_can_be_followed() -> None:
    resources = {"a": an_alias(to="b"), "b": an_alias(to="q"), "q": sending()}
    path = alias_path("here", resources, "a")
    assert (path.aliases, path.end, path.fault) == (("a", "b"), "q", "")
