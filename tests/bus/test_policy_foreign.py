"""Other buses: a foreign destination before the foreign bus, nothing inherited, realms of identities (BUS-5, BUS-9)."""

from __future__ import annotations

from connector.spi import Subject
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import ForeignAddress, PolicyDefinition, ResourceGrants
from connector_bus.policy.explanation import explain_foreign
from connector_bus.policy.holders import ALL_AUTHENTICATED, EVERYONE, Holder, HolderKind
from connector_bus.policy.roles import ResourceType, Role

ALICE = Subject.of_user("alice", "weather")
BOB = Subject.of_user("bob", "weather")
PARTNER = Subject.of_user("alice", "partners")
STRANGER = Subject.of_user("alice", "elsewhere")
NOBODY = Subject.unauthenticated()
PARIS = ForeignAddress("france", "paris")


def user(name: str) -> frozenset[Holder]:
    return frozenset({Holder(HolderKind.USER, name)})


POLICY = CompiledPolicy(
    PolicyDefinition(
        "weather",
        "weather",
        frozenset({"partners"}),
        resources={
            "paris": ResourceGrants(ResourceType.FOREIGN_DESTINATION, {Role.SENDER: user("alice")}, foreign=PARIS)
        },
        foreign_buses={"france": {Role.SENDER: user("bob")}, "spain": {Role.SENDER: frozenset({ALL_AUTHENTICATED})}},
    )
)


def test_a_foreign_destination_replaces_the_foreign_bus_for_its_own_address() -> None:
    assert [POLICY.decide_foreign(who, "france", "paris") for who in (ALICE, BOB)] == [True, False]
    assert [POLICY.decide_foreign(who, "france", "nice") for who in (ALICE, BOB)] == [False, True]


def test_it_is_the_same_by_its_local_name() -> None:
    assert [POLICY.decide(who, Role.SENDER, "paris") for who in (ALICE, BOB)] == [True, False]


def test_nothing_foreign_inherits_though_all_authenticated_send_by_default() -> None:
    assert ALL_AUTHENTICATED in POLICY.definition.defaults[Role.SENDER]
    assert not POLICY.decide_foreign(Subject.of_user("carol", "weather"), "france", "paris")
    assert not POLICY.decide_foreign(ALICE, "italy", "rome"), "a bus that is not defined"


def test_nothing_is_received_or_browsed_on_the_other_bus() -> None:
    for role in (Role.RECEIVER, Role.BROWSER):
        assert not POLICY.decide(ALICE, role, "paris")
        assert f"it belongs to bus france: {role} is given" in str(POLICY.explain(ALICE, role, "paris"))


def test_an_identity_of_a_trusted_realm_is_authenticated_and_any_other_is_nobody() -> None:
    assert [POLICY.decide_foreign(who, "spain", "x") for who in (ALICE, PARTNER, STRANGER, NOBODY)] == [
        True,
        True,
        False,
        False,
    ]


def test_the_explanation_says_which_definition_decides() -> None:
    named, unnamed = PARIS, ForeignAddress("france", "nice")
    assert "the foreign bus's roles are not asked" in str(explain_foreign(POLICY, BOB, named))
    assert "no foreign destination is defined" in str(explain_foreign(POLICY, BOB, unnamed))


def test_somebody_of_a_realm_that_is_not_trusted_is_told_what_would_help() -> None:
    assert f"to {EVERYONE}" in str(explain_foreign(POLICY, STRANGER, ForeignAddress("spain", "x")))
    assert "grant sender on foreign bus france to AllAuthenticated" in str(
        explain_foreign(POLICY, PARTNER, ForeignAddress("france", "nice"))
    )
