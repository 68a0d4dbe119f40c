"""TRUST-1: the trusted user opens the connection, and never works on it itself."""

from __future__ import annotations

import pytest
from support_secrets import MARKER
from support_signon import ALICE, REALM, AuthData, chain, container_managed, target

from connector.security.login_chain import ChainFailed, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import Dependency, IdentityAssertion, LoginModule, PasswordCredential, Secret, Subject
from connector_trusted import TrustedConnectionMappingModule
from connector_trusted.settings import TrustedSettings, read_settings

RESOURCE = target()


def _run(caller: Subject | None, properties: dict[str, str] | None = None, **options: object) -> Subject:
    given = {"alias": "trusted", **(properties or {})}
    alias = given.pop("alias") or None
    handler = SignOnCallbackHandler(
        container_managed("T", alias=alias, name="jdbc/log", **given),  # type: ignore[arg-type]  # texts only, see above
        RESOURCE,
        None,
        caller,
        AuthData(trusted="door").get,
    )
    return run_chain(chain("T", TrustedConnectionMappingModule, "trusted", **options), handler).subject


def _asserted(subject: Subject) -> IdentityAssertion:
    asserted = subject.identity_assertion(RESOURCE.factory)
    assert asserted is not None
    return asserted


def test_it_is_a_login_module_that_names_the_most_it_may_depend_on() -> None:
    assert isinstance(TrustedConnectionMappingModule(), LoginModule)
    assert TrustedConnectionMappingModule.depends_on == {Dependency.ALIAS, Dependency.CALLER, Dependency.GROUPS}


def test_the_trusted_user_opens_and_the_caller_is_asserted() -> None:
    subject = _run(ALICE)

    assert subject.password_credential(RESOURCE.factory) == PasswordCredential(
        "door", Secret(MARKER), RESOURCE.factory, "trusted", 3
    )
    assert _asserted(subject) == IdentityAssertion("alice", REALM)


def test_groups_are_asserted_only_when_asked_for() -> None:
    assert _asserted(_run(ALICE)).groups == frozenset()
    assert _asserted(_run(ALICE, propagate_groups=True)).groups == {"clerks"}


@pytest.mark.parametrize(
    "caller",
    [None, Subject(read_only=True), Subject.unauthenticated(), Subject.server("weather", REALM)],
    ids=["null", "empty", "unauthenticated", "server"],
)
def test_who_is_no_user_is_refused_unless_a_user_is_named_for_such_callers(caller: Subject | None) -> None:
    with pytest.raises(ChainFailed, match="no authenticated user"):
        _run(caller)

    assert _asserted(_run(caller, {"unauthenticated_user": "guest"})).user == "guest"


def test_without_the_caller_identity_the_named_user_stands_for_everybody() -> None:
    with pytest.raises(ChainFailed, match="not used"):
        _run(ALICE, use_caller_identity=False)

    assert _asserted(_run(ALICE, use_caller_identity=False, unauthenticated_user="guest")).user == "guest"


def test_a_caller_of_another_realm_than_the_target_realm_is_refused() -> None:
    partner = Subject.of_user("alice", "partners")

    with pytest.raises(ChainFailed, match="alice@partners is not of the realm 'weather'"):
        _run(partner, {"target_realm": "weather"})

    assert _asserted(_run(ALICE, {"target_realm": "weather"})).user == "alice"


@pytest.mark.parametrize("name", ["door", "DOOR"])
def test_nobody_works_as_the_trusted_user_itself(name: str) -> None:
    with pytest.raises(ChainFailed, match="trusted user"):
        _run(Subject.of_user(name, REALM))
    with pytest.raises(ChainFailed, match="trusted user"):
        _run(None, unauthenticated_user=name)


def test_an_empty_name_is_never_asserted() -> None:
    with pytest.raises(ChainFailed, match="empty name"):
        _run(Subject.of_user("", REALM))
    with pytest.raises(ChainFailed, match="no authenticated user"):
        _run(None, {"unauthenticated_user": ""})


def test_it_needs_an_alias_that_is_known() -> None:
    with pytest.raises(ChainFailed, match="needs the alias"):
        _run(ALICE, {"alias": ""})
    with pytest.raises(ChainFailed, match="'gone' is not in the authentication data"):
        _run(ALICE, {"alias": "gone"})


def test_mapping_properties_win_over_options() -> None:
    options = {"alias": "a", "propagate_groups": True, "unauthenticated_user": "nobody"}
    properties = {"alias": "b", "propagate_groups": "False", "unauthenticated_user": "guest"}

    assert read_settings(options, properties) == TrustedSettings("b", unauthenticated_user="guest")


@pytest.mark.parametrize("value", ["yes", "", "0", 1, None])
def test_a_switch_is_true_or_false_and_nothing_else(value: object) -> None:
    with pytest.raises(ChainFailed, match="use_caller_identity is neither true nor false"):
        _run(ALICE, use_caller_identity=value)


def test_nothing_is_in_the_subject_before_commit_nor_after_abort() -> None:
    handler = SignOnCallbackHandler(
        container_managed("T", alias="trusted"), RESOURCE, None, ALICE, AuthData(trusted="door").get
    )
    module, subject = TrustedConnectionMappingModule(), Subject()
    module.initialize(subject, handler, {}, {})

    assert module.login()
    assert subject.is_empty
    assert module.commit()
    assert len(subject.credentials) == 2
    assert module.abort()
    assert subject.is_empty
    assert not module.commit()


def test_a_name_that_is_no_text_is_refused() -> None:
    with pytest.raises(ChainFailed, match="unauthenticated_user is not a text"):
        _run(None, unauthenticated_user=["guest"])
