"""SIGN-5: rules over callers and groups, in order; the first that fits decides."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support_mappers import credential_of, is_ignored, remarks, run_module
from support_signon import ALICE, BOB, AuthData

from connector.security.login_chain import ChainFailed
from connector.spi import GroupPrincipal, LoginFailed, Subject, UserPrincipal
from connector_onetoone import OneToOneModule
from connector_onetoone.callers import User
from connector_onetoone.rules import Rule, read_rules
from connector_onetoone.template import filled

ALIASES = AuthData(
    **{
        "sales-alice": "alice_in_sales",
        "clerk": "clerk_user",
        "guest": "guest_user",
        "alice-ledger": "alice_in_ledger",
        "shared": "nobody_special",
    }
)


def _alias(caller: Subject | None, *rules: dict[str, str], realm: str = "weather", **properties: str) -> str | None:
    options = {"rules": rules, "realm": realm}
    try:
        return credential_of(run_module(OneToOneModule, options, caller, ALIASES, **properties)).alias
    except ChainFailed as failed:
        if not is_ignored(failed):
            raise
        return None


SALES = {"caller": "(.+)@sales", "alias": "sales-{1}"}
CLERKS = {"group": "clerks", "alias": "clerk"}
GUEST = {"caller": "*", "alias": "guest"}


@pytest.mark.parametrize(
    ("caller", "alias"),
    [
        (Subject.of_user("alice", "sales"), "sales-alice"),
        (Subject.of_user("alice", "sales", ["clerks"]), "sales-alice"),  # the first rule that fits
        (ALICE, "clerk"),
        (BOB, "guest"),
        (Subject.of_user("carol", "partners", ["clerks"]), "guest"),  # clerks of another realm are no clerks
    ],
)
def test_the_first_rule_that_fits_the_caller_decides(caller: Subject, alias: str) -> None:
    assert _alias(caller, SALES, CLERKS, GUEST) == alias


def test_the_order_of_the_rules_counts() -> None:
    fits_too = {"caller": "alice@.*", "alias": "shared"}

    assert _alias(ALICE, fits_too, CLERKS) == "shared"
    assert _alias(ALICE, CLERKS, fits_too) == "clerk"


@pytest.mark.parametrize(
    "caller",
    [None, Subject(read_only=True), Subject.unauthenticated(), Subject.server("weather", "weather")],
    ids=["null", "empty", "unauthenticated", "server"],
)
def test_who_is_no_user_is_nobodys_business_even_for_the_rule_of_everybody(caller: Subject | None) -> None:
    assert _alias(caller, GUEST) is None


def test_a_pattern_has_to_fit_the_whole_of_name_and_realm() -> None:
    assert _alias(ALICE, {"caller": "alice@weather", "alias": "shared"}) == "shared"
    assert _alias(Subject.of_user("alice", "weather2"), {"caller": "alice@weather", "alias": "shared"}) is None
    assert _alias(Subject.of_user("xalice", "weather"), {"caller": "alice@weather", "alias": "shared"}) is None


@pytest.mark.parametrize(("name", "realm"), [("alice@sales", ""), ("x", "y@sales"), ("alice@sales", "weather")])
def test_a_name_cannot_pretend_to_be_of_another_realm(name: str, realm: str) -> None:
    assert _alias(Subject([UserPrincipal(name, realm)], read_only=True), SALES) is None


def test_a_group_may_be_one_of_another_realm_by_name_only() -> None:
    partner = Subject.of_user("carol", "partners", ["clerks"])

    assert _alias(partner, {"group": "clerks@partners", "alias": "clerk"}) == "clerk"
    assert _alias(ALICE, {"group": "clerks@partners", "alias": "clerk"}) is None
    assert _alias(partner, CLERKS, realm="*") == "clerk"


def test_a_group_that_a_caller_holds_from_a_foreign_realm_does_not_count() -> None:
    """Plans are kept by the groups of the caller's own realm: what else decided would serve others."""
    mixed = Subject([UserPrincipal("bob", "weather"), GroupPrincipal("clerks", "partners")], read_only=True)

    assert _alias(mixed, CLERKS) is None
    assert _alias(mixed, {"group": "clerks@partners", "alias": "clerk"}) is None


def test_a_template_may_name_the_caller_and_a_mapping_property_of_the_reference() -> None:
    by_target = {"caller": "*", "alias": "{caller}-{property.target}"}

    assert _alias(ALICE, by_target, target="ledger") == "alice-ledger"
    with pytest.raises(ChainFailed, match=r"nothing stands for \{property.target\}"):
        run_module(OneToOneModule, {"rules": [by_target], "realm": "weather"}, ALICE, ALIASES)


def test_a_rule_may_name_another_user_with_the_aliass_password() -> None:
    options = {"rules": [{"caller": r"(?P<who>\w+)@.*", "user": "u_{who}", "alias": "shared"}], "realm": "weather"}

    credential = credential_of(run_module(OneToOneModule, options, ALICE, ALIASES))

    assert (credential.user, credential.alias, credential.version) == ("u_alice", "shared", 3)


def test_an_alias_that_a_rule_makes_up_and_nobody_knows_is_a_failure_and_the_next_rule_is_not_tried() -> None:
    unknown = Subject.of_user("zoe", "sales")

    with pytest.raises(ChainFailed, match=r"'sales-zoe', by rule 1 \(caller '\(\.\+\)@sales'\)") as failed:
        run_module(OneToOneModule, {"rules": [SALES, GUEST], "realm": "weather"}, unknown, ALIASES)

    assert failed.value.module == "mapper"


def test_nobody_who_maps_is_ignored_unless_the_options_say_fail() -> None:
    assert _alias(BOB, CLERKS) is None
    with pytest.raises(ChainFailed, match="nothing maps the caller"):
        run_module(OneToOneModule, {"rules": [CLERKS], "realm": "weather", "unmapped": "fail"}, BOB, ALIASES)


def test_it_says_who_was_mapped_to_what_by_which_rule() -> None:
    options = {"rules": [SALES, CLERKS], "realm": "weather"}

    assert remarks(run_module(OneToOneModule, options, ALICE, ALIASES)) == [
        "alice@weather → alias 'clerk', by rule 2 (group 'clerks')"
    ]
    with pytest.raises(ChainFailed) as failed:
        run_module(OneToOneModule, options, BOB, ALIASES)
    assert remarks(failed.value) == ["bob@weather: neither table nor rules have it"]


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([{"alias": "a"}], [("CF-MAP-003", "rules[0]")]),
        ([{"caller": "a@b", "group": "c", "alias": "a"}], [("CF-MAP-003", "rules[0]")]),
        ([{"caller": "(@b", "alias": "a"}], [("CF-MAP-004", "rules[0].caller")]),
        ([{"caller": "alice", "alias": "a"}], [("CF-MAP-005", "rules[0].caller")]),
        ([{"group": "@weather", "alias": "a"}], [("CF-MAP-006", "rules[0].group")]),
        ([GUEST, CLERKS], [("CF-MAP-007", "rules[1]")]),
        ([{"caller": "*", "alias": "x-{1}"}], [("CF-MAP-008", "rules[0].alias")]),
        ([{"caller": "(.+)@b", "alias": "{2}", "user": "{who}"}],
         [("CF-MAP-008", "rules[0].alias"), ("CF-MAP-008", "rules[0].user")]),
        ([{"caller": "*", "alias": ""}], [("CF-MAP-009", "rules[0].alias")]),
        ([{"caller": "*"}], [("CF-MAP-009", "rules[0].alias")]),
        ([SALES, CLERKS, GUEST], []),
    ],
)  # fmt: skip
def test_every_mistake_is_found_at_its_place(rules: list[dict[str, str]], expected: list[tuple[str, str]]) -> None:
    _, problems = read_rules(rules)

    assert [(problem.code, problem.key_path) for problem in problems] == expected


def test_all_mistakes_are_told_at_once() -> None:
    options: dict[str, Any] = {
        "rules": [{"caller": "bob", "alias": "{9}"}, {"alias": ""}],
        "unmapped": "explode",
        "own_credential": "yes",
    }

    found = [problem.code for problem in OneToOneModule.mistakes(options)]

    assert found == ["CF-MAP-002", "CF-MAP-010", "CF-MAP-010", "CF-MAP-005", "CF-MAP-008", "CF-MAP-003"]
    with pytest.raises(ChainFailed, match=r"6 mistake\(s\), the first: realm"):
        run_module(OneToOneModule, options, ALICE, ALIASES)


def test_options_that_map_nobody_are_a_mistake() -> None:
    assert [problem.code for problem in OneToOneModule.mistakes({"realm": "weather"})] == ["CF-MAP-001"]


NAMES = st.text(st.characters(exclude_characters="@", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8)


@given(NAMES, NAMES)
def test_what_a_group_of_a_pattern_takes_is_what_the_template_gives(name: str, realm: str) -> None:
    rule = Rule(1, "x-{1}-{2}", pattern=re.compile("(.+)@(.+)", re.DOTALL))

    found = rule.found_in(User(name, realm), "elsewhere")

    assert found is not None
    assert filled(rule.alias, found, {}) == f"x-{name}-{realm}"


def test_what_is_filled_in_is_not_filled_in_again() -> None:
    """A caller's name is data: one that looks like a placeholder stays what it is."""
    assert filled("{caller}", {"caller": "{realm}", "realm": "r"}, {}) == "{realm}"
    with pytest.raises(LoginFailed, match="nothing is left"):
        filled("{1}", {"1": ""}, {})
