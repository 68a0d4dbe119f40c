"""Role bindings: users, groups and special subjects, each in its own realm (FLOW-5)."""

from __future__ import annotations

import pytest

from connector.security.roles import RoleBinding, RoleMap, SpecialSubject
from connector.spi import Subject, Verdict

ALICE = Subject.of_user("alice", "weather", ["forecasters", "staff"])
BOB = Subject.of_user("bob", "weather")
FOREIGN_ALICE = Subject.of_user("alice", "partners", ["forecasters"])
STRANGER = Subject.of_user("alice", "elsewhere", ["forecasters"])
SERVER = Subject.server("w", "weather")
FOREIGN_SERVER = Subject.server("w", "partners")
NOBODY = Subject.unauthenticated()

EVERYBODY = {
    "alice": ALICE,
    "bob": BOB,
    "foreign alice": FOREIGN_ALICE,
    "stranger": STRANGER,
    "server": SERVER,
    "foreign server": FOREIGN_SERVER,
    "unauthenticated": NOBODY,
    "empty": Subject(),
    "null": None,
}


def binding(users: str = "", groups: str = "", special: SpecialSubject | None = None) -> RoleBinding:
    return RoleBinding(
        frozenset(users.split()), frozenset(groups.split()), frozenset() if special is None else frozenset({special})
    )


def roles(bound: RoleBinding) -> RoleMap:
    return RoleMap({"forecaster": bound}, "weather", {"partners"})


def members(bound: RoleBinding) -> set[str]:
    return {name for name, subject in EVERYBODY.items() if roles(bound).is_in_role(subject, "forecaster")}


@pytest.mark.parametrize(
    ("bound", "wanted"),
    [
        (binding(), set()),
        (binding(users="alice"), {"alice"}),
        (binding(users="w"), set()),
        (binding(users="unauthenticated"), set()),
        (binding(groups="forecasters"), {"alice"}),
        (binding(users="bob", groups="staff"), {"alice", "bob"}),
        (binding(special=SpecialSubject.EVERYONE), set(EVERYBODY)),
        (binding(special=SpecialSubject.ALL_AUTHENTICATED), {"alice", "bob"}),
        (
            binding(special=SpecialSubject.ALL_AUTHENTICATED_IN_TRUSTED_REALMS),
            {"alice", "bob", "foreign alice"},
        ),
        (binding(special=SpecialSubject.SERVER), {"server"}),
    ],
)
def test_who_is_in_a_role_bound_like_this(bound: RoleBinding, wanted: set[str]) -> None:
    assert members(bound) == wanted


def test_nobody_is_in_a_role_that_is_not_bound() -> None:
    assert not roles(binding(users="alice")).is_in_role(ALICE, "auditor")
    assert roles(binding()).roles == ("forecaster",)


@pytest.mark.parametrize(
    ("subject", "bound", "holder"),
    [
        (ALICE, binding(users="alice", groups="staff", special=SpecialSubject.EVERYONE), "user alice"),
        (ALICE, binding(groups="staff forecasters", special=SpecialSubject.EVERYONE), "group forecasters"),
        (BOB, binding(groups="staff", special=SpecialSubject.ALL_AUTHENTICATED), "AllAuthenticated"),
        (NOBODY, binding(users="alice", special=SpecialSubject.EVERYONE), "Everyone"),
    ],
)
def test_an_explanation_names_the_binding_that_decides(subject: Subject, bound: RoleBinding, holder: str) -> None:
    explanation = roles(bound).explain(subject, "forecaster")
    assert explanation.answer == "in the role"
    assert [(step.what, step.verdict) for step in explanation.steps] == [
        (f"role forecaster bound to {holder}", Verdict.TAKEN)
    ]


def test_the_narrowest_special_subject_decides() -> None:
    everyone = RoleBinding(special=frozenset(SpecialSubject))
    assert "AllAuthenticated" in str(roles(everyone).explain(BOB, "forecaster"))
    assert "Server" in str(roles(everyone).explain(SERVER, "forecaster"))


def test_a_refusal_names_the_bindings_that_do_not_apply() -> None:
    explanation = roles(binding("bob", "staff", SpecialSubject.SERVER)).explain(FOREIGN_ALICE, "forecaster")
    assert explanation.answer == "not in the role"
    assert [step.what for step in explanation.steps] == [
        "role forecaster bound to user bob",
        "role forecaster bound to group staff",
        "role forecaster bound to Server",
    ]
    assert "alice@partners" in explanation.question


def test_an_unbound_role_is_explained_as_such() -> None:
    assert "not bound" in str(roles(binding()).explain(None, "auditor"))


def test_an_explanation_agrees_with_the_decision() -> None:
    for special in (None, *SpecialSubject):
        role_map = roles(binding("alice", "staff", special))
        for subject in EVERYBODY.values():
            answer = role_map.explain(subject, "forecaster").answer
            assert (answer == "in the role") is role_map.is_in_role(subject, "forecaster")
