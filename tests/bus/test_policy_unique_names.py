"""Unique names: an assignment that has one is for the one user who has it, not for the next of that name (BUS-3)."""

from __future__ import annotations

import pytest
from support_bus import WRONG_PASSWORD, FakeIdentity, MemoryAudit

from connector.errors import AuthenticationFailed
from connector.spi import Subject
from connector_bus.engine.access import AccessControl
from connector_bus.engine.unique_names import REMEMBERED, UniqueNames
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import PolicyDefinition, ResourceGrants
from connector_bus.policy.holders import Holder, HolderKind, parse_holder
from connector_bus.policy.roles import Role

ALICE = Subject.of_user("alice", "weather", ["clients"])
BOB = Subject.of_user("bob", "weather")
FIRST = Holder(HolderKind.USER, "alice", "id-1")


def policy(*holders: Holder) -> CompiledPolicy:
    grants = ResourceGrants(roles={Role.SENDER: frozenset(holders)}, inherits=False)
    return CompiledPolicy(PolicyDefinition("bus", "weather", resources={"q": grants}))


def control(identity: FakeIdentity, *holders: Holder) -> AccessControl:
    return AccessControl(policy(*holders), identity, MemoryAudit(), bus_security=True)


def named(unique: str) -> FakeIdentity:
    identity = FakeIdentity()
    identity.unique_names["alice"] = unique
    return identity


def test_only_the_user_with_the_unique_name_holds_the_role() -> None:
    assert control(named("id-1"), FIRST).allows(ALICE, Role.SENDER, "q")
    assert not control(named("id-2"), FIRST).allows(ALICE, Role.SENDER, "q")
    assert not control(named("id-1"), FIRST).allows(BOB, Role.SENDER, "q")


def test_another_assignment_without_a_unique_name_still_counts() -> None:
    access = control(named("id-2"), FIRST, Holder(HolderKind.GROUP, "clients"))
    assert access.allows(ALICE, Role.SENDER, "q")


def test_a_name_that_was_given_to_somebody_else_counts_from_the_next_check_on() -> None:
    identity = named("id-1")
    access = control(identity, FIRST)
    assert access.allows(ALICE, Role.SENDER, "q")
    identity.unique_names["alice"] = "id-2"
    access.recheck()
    assert not access.allows(ALICE, Role.SENDER, "q")


def test_the_registry_is_asked_once_and_only_about_such_assignments() -> None:
    identity = named("id-1")
    access = control(identity, FIRST)
    for _ in range(5):
        assert access.allows(ALICE, Role.SENDER, "q")
        assert not access.allows(BOB, Role.SENDER, "q")
    assert identity.unique_names_asked == 1


def test_a_user_who_has_vanished_has_no_unique_name() -> None:
    identity = named("id-1")
    del identity.users["alice"]
    assert not control(identity, FIRST).allows(ALICE, Role.SENDER, "q")


def test_a_registry_that_can_t_be_asked_is_no_refusal_and_not_remembered() -> None:
    class Failing(FakeIdentity):
        down = True

        def user_exists(self, user: str) -> bool:
            if self.down:
                raise AuthenticationFailed(WRONG_PASSWORD, user=user)
            return super().user_exists(user)

    identity = Failing()
    identity.unique_names["alice"] = "id-1"
    access = control(identity, FIRST)
    with pytest.raises(AuthenticationFailed):
        access.allows(ALICE, Role.SENDER, "q")
    Failing.down = False
    assert access.allows(ALICE, Role.SENDER, "q")


def test_without_anybody_to_ask_such_an_assignment_is_nobody_s() -> None:
    assert not policy(FIRST).decide(ALICE, Role.SENDER, "q")


def test_what_is_remembered_of_users_is_bounded() -> None:
    identity = FakeIdentity()
    names = UniqueNames(identity)
    for number in range(REMEMBERED + 5):
        names(f"u{number}")
    assert len(names._known) <= REMEMBERED


def test_the_explanation_shows_the_unique_name() -> None:
    words = str(control(named("id-2"), FIRST).explain(ALICE, Role.SENDER, "q"))
    assert "held by user:alice (id-1)" in words
    assert "grant sender on q to user:alice" in words


@pytest.mark.parametrize(
    "table",
    [
        {"user": "alice"},
        {"unique_name": "id"},
        {"user": "", "unique_name": "id"},
        {"user": "alice", "unique_name": ""},
        {"user": "alice", "unique_name": 7},
        {"user": "alice", "unique_name": "id", "group": "x"},
    ],
)
def test_a_table_that_is_no_holder_is_not_read_as_one(table: dict[str, object]) -> None:
    assert parse_holder(table) is None


def test_it_is_written_as_a_table() -> None:
    assert parse_holder({"user": "alice", "unique_name": "id-1"}) == FIRST
