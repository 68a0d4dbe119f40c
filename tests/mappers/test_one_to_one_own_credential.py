"""SIGN-5: the user and password that the caller holds for the resource."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_mappers import RESOURCE, credential_of, is_ignored, remarks, run_module
from support_secrets import MARKER
from support_signon import AuthData, Factory

from connector.security.login_chain import ChainFailed, ChainResult
from connector.spi import KERBV5, Dependency, LoginModule, PasswordCredential, Secret, Subject
from connector_onetoone import OneToOneModule

OURS = PasswordCredential("ours", Secret(MARKER), RESOURCE.factory)
THEIRS = PasswordCredential("theirs", Secret(MARKER), Factory())
FREE = PasswordCredential("free", Secret(MARKER))
TICKET = PasswordCredential("ticket", Secret(MARKER), RESOURCE.factory, mechanism=KERBV5)
ALIASES = AuthData(guest="guest_user")


def _run(choice: str, *held: PasswordCredential, **more: object) -> ChainResult:
    caller = Subject.of_user("alice", "weather", credentials=held)
    return run_module(OneToOneModule, {"own_credential": choice, **more}, caller, ALIASES)


def _user(choice: str, *held: PasswordCredential) -> str | None:
    try:
        return credential_of(_run(choice, *held)).user
    except ChainFailed as failed:
        if not is_ignored(failed):
            raise
        return None


@pytest.mark.parametrize(
    ("choice", "held", "user"),
    [
        ("this-resource", (OURS,), "ours"),
        ("this-resource", (THEIRS, FREE, OURS), "ours"),
        ("this-resource", (FREE,), None),
        ("this-resource", (THEIRS,), None),
        ("this-resource", (TICKET,), None),
        ("this-resource", (), None),
        ("any-resource", (FREE, OURS), "ours"),
        ("any-resource", (THEIRS, FREE), "free"),
        ("any-resource", (THEIRS,), None),
    ],
)
def test_the_credential_for_the_resource_wins_and_another_resources_is_never_used(
    choice: str, held: tuple[PasswordCredential, ...], user: str | None
) -> None:
    assert _user(choice, *held) == user


def test_what_is_given_is_for_the_target_and_still_user_and_password_together() -> None:
    given = credential_of(_run("any-resource", FREE))

    assert (given.user, given.password, given.factory) == ("free", Secret(MARKER), RESOURCE.factory)
    assert FREE.factory is None  # the caller's own is left as it was


def test_the_own_credential_wins_over_rules_which_have_the_rest() -> None:
    rules = {"rules": [{"caller": "*", "alias": "guest"}], "realm": "weather"}

    assert credential_of(_run("this-resource", OURS, **rules)).user == "ours"
    assert credential_of(_run("this-resource", THEIRS, **rules)).user == "guest_user"


def test_no_caller_has_nothing_of_its_own() -> None:
    with pytest.raises(ChainFailed) as failed:
        run_module(OneToOneModule, {"own_credential": "any-resource"}, None, ALIASES)

    assert failed.value.module is None
    assert remarks(failed.value) == ["no caller: no own credential for this resource"]


def test_it_says_whose_it_was() -> None:
    assert remarks(_run("this-resource", OURS)) == ["alice@weather → own credential, user 'ours'"]


CREDENTIALS, CALLER, GROUPS, ALIAS = (
    Dependency.CREDENTIALS,
    Dependency.CALLER,
    Dependency.GROUPS,
    Dependency.ALIAS,
)
GUEST = {"caller": "*", "alias": "guest"}
CLERKS = {"group": "clerks", "alias": "guest"}


@pytest.mark.parametrize(
    ("options", "depends_on"),
    [
        ({"own_credential": "this-resource"}, {CREDENTIALS}),
        ({"table": Path("callers.toml")}, {CALLER, ALIAS}),
        ({"rules": [GUEST]}, {CALLER, ALIAS}),
        ({"rules": [CLERKS, GUEST]}, {CALLER, GROUPS, ALIAS}),
        ({"table": Path("callers.toml"), "rules": [CLERKS]}, {CALLER, GROUPS, ALIAS}),
        ({"own_credential": "any-resource", "rules": [GUEST]}, {CREDENTIALS, CALLER, ALIAS}),
    ],
)
def test_it_depends_on_just_what_its_options_look_at(options: dict[str, object], depends_on: set[Dependency]) -> None:
    found = OneToOneModule.dependencies({"realm": "weather", **options})

    assert found == depends_on
    assert found <= OneToOneModule.depends_on


def test_it_is_a_login_module() -> None:
    assert isinstance(OneToOneModule(), LoginModule)
