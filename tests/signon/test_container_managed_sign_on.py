"""SIGN-2, SIGN-6: a login configuration maps the caller; only what fits the resource is ever used."""

from __future__ import annotations

import logging

import pytest
from support_secrets import MARKER
from support_signon import (
    ALICE,
    AuthData,
    CallerModule,
    Factory,
    call,
    calling,
    chain,
    container_managed,
    own_user,
    resolver,
    target,
    user_of,
)

from connector.errors import ConfigError, SignOnError
from connector.security.login_configuration import ChainEntry, LoginConfiguration
from connector.signon.reference import OnNoCredential
from connector.spi import (
    KERBV5,
    AuthenticationDataCallback,
    ControlFlag,
    IdentityAssertion,
    PasswordCredential,
    Secret,
    SignOnSource,
    Subject,
)
from connector_default import DefaultPrincipalMappingModule


def test_the_default_mapping_signs_every_caller_on_by_the_alias_of_the_reference() -> None:
    one, resource = resolver(AuthData(ledger="ledger-user")), target()

    plans = [one.resolve(container_managed(alias="ledger"), resource, None, who) for who in (ALICE, None)]

    assert [user_of(plan) for plan in plans] == ["ledger-user", "ledger-user"]
    assert plans[0].source is SignOnSource.LOGIN_CONFIGURATION
    assert plans[0].version == 3
    assert plans[0].partition == plans[1].partition


def test_the_component_alias_of_the_resource_plays_no_part() -> None:
    with pytest.raises(SignOnError) as refused:
        resolver(AuthData(batch="u")).resolve(container_managed(), target(component_alias="batch"), None, ALICE)

    assert refused.value.code == "CF-SIGN-012"


def test_an_unknown_alias_is_refused_by_name() -> None:
    with pytest.raises(SignOnError, match=r"module 'default'.*'ledgre' is not in the authentication data") as refused:
        resolver(AuthData(ledger="u")).resolve(container_managed(alias="ledgre"), target(), None, ALICE)

    assert refused.value.code == "CF-SIGN-011"


def test_credentials_in_the_call_are_not_used_and_warned_of_once_a_reference(
    caplog: pytest.LogCaptureFixture, marker: Secret
) -> None:
    one, resource = resolver(AuthData(ledger="ledger-user")), target()
    first, second = container_managed(alias="ledger"), container_managed(alias="ledger", name="jdbc/other")

    with caplog.at_level(logging.WARNING, "connector.signon"):
        for reference in (first, first, second):
            plan = one.resolve(reference, resource, call("mallory", marker.reveal()), ALICE)
            assert user_of(plan) == "ledger-user"
            assert plan.rejected[0].source is SignOnSource.CALL_ARGUMENTS

    warned = [record.getMessage() for record in caplog.records]
    assert [("jdbc/log" in text, "jdbc/other" in text) for text in warned] == [(True, False), (False, True)]


def test_explaining_warns_of_nothing(caplog: pytest.LogCaptureFixture) -> None:
    resolver(AuthData(ledger="u")).explain(container_managed(alias="ledger"), target(), call("m", "p"), ALICE)

    assert not caplog.records


def test_an_unknown_login_configuration_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SignOnError, match="Known: DefaultPrincipalMapping, TrustedConnectionMapping") as refused:
        resolver().resolve(container_managed("Payroll"), target(), None, ALICE)

    assert refused.value.code == "CF-SIGN-010"


@pytest.mark.parametrize("what", ["another factory", "no factory", "mechanism"])
def test_a_credential_that_does_not_fit_is_never_used(what: str) -> None:
    resource = target()
    misfit = {
        "another factory": PasswordCredential("u", Secret(MARKER), Factory()),
        "no factory": PasswordCredential("u", Secret(MARKER)),
        "mechanism": PasswordCredential("u", Secret(MARKER), resource.factory, mechanism=KERBV5),
    }[what]
    one = resolver(None, calling(lambda _: [misfit]))

    with pytest.raises(SignOnError, match=what) as refused:
        one.resolve(container_managed("Mapping"), resource, None, ALICE)
    default = container_managed("Mapping", on_no_credential=OnNoCredential.FACTORY_DEFAULT)
    plan = one.resolve(default, resource, None, ALICE)

    assert refused.value.code == "CF-SIGN-012"
    assert plan.subject is None


def test_the_fitting_one_among_several_credentials_is_found_whatever_their_order() -> None:
    resource = target()
    ours = PasswordCredential("ours", Secret(MARKER), resource.factory)
    foreign = PasswordCredential("ours", Secret(MARKER), Factory())
    strange = "a password in plain text"

    for several in ([foreign, strange, ours], [ours, foreign, strange]):
        found: list[object] = list(several)

        def yields(_: object, found: list[object] = found) -> list[object]:
            return found

        plan = resolver(None, calling(yields)).resolve(container_managed("Mapping"), resource, None, ALICE)
        assert plan.subject is not None
        assert plan.subject.credentials[0] is ours
        assert plan.subject.credentials == (ours,)


def test_an_equal_factory_is_the_same_one() -> None:
    class Equal(Factory):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        __hash__ = Factory.__hash__

    credential = PasswordCredential("u", Secret(MARKER), Equal())
    plan = resolver(None, calling(lambda _: [credential])).resolve(
        container_managed("Mapping"), target(Equal()), None, ALICE
    )

    assert user_of(plan) == "u"


def test_null_and_empty_subjects_differ() -> None:
    one, resource = resolver(None, calling(lambda _: [])), target()

    def subject_with(choice: OnNoCredential) -> Subject | None:
        return one.resolve(container_managed("Mapping", on_no_credential=choice), resource, None, ALICE).subject

    null, empty = subject_with(OnNoCredential.FACTORY_DEFAULT), subject_with(OnNoCredential.ANONYMOUS)

    assert null is None
    assert empty is not None
    assert empty.is_empty
    assert empty.is_read_only


def test_factory_default_and_anonymous_are_pooled_apart() -> None:
    one, resource = resolver(None, calling(lambda _: [])), target()

    plans = [
        one.resolve(container_managed("Mapping", on_no_credential=choice), resource, None, ALICE)
        for choice in (OnNoCredential.FACTORY_DEFAULT, OnNoCredential.ANONYMOUS)
    ]

    assert [plan.source for plan in plans] == [SignOnSource.FACTORY_DEFAULT, SignOnSource.ANONYMOUS]
    assert plans[0].partition != plans[1].partition


def test_a_chain_with_nothing_to_say_leaves_it_to_the_reference() -> None:
    lenient = container_managed(on_no_credential=OnNoCredential.FACTORY_DEFAULT)  # the default mapping without alias

    assert resolver().resolve(lenient, target(), None, ALICE).source is SignOnSource.FACTORY_DEFAULT
    with pytest.raises(SignOnError, match="Give the reference an `alias`") as refused:
        resolver().resolve(container_managed(), target(), None, ALICE)
    assert refused.value.code == "CF-SIGN-012"


def test_a_chain_that_refuses_is_not_softened_by_the_reference() -> None:
    lenient = container_managed("Mapping", on_no_credential=OnNoCredential.FACTORY_DEFAULT)

    with pytest.raises(SignOnError, match="there is no caller") as refused:
        resolver(None, calling(own_user)).resolve(lenient, target(), None, None)

    assert refused.value.code == "CF-SIGN-011"


def test_the_module_sees_a_null_caller_and_an_empty_one_as_they_are() -> None:
    asked: list[Subject | None] = []
    one = resolver(None, calling(lambda _: [], asked=asked))
    empty = Subject(read_only=True)

    for caller in (None, empty):
        one.resolve(container_managed("Mapping", on_no_credential=OnNoCredential.ANONYMOUS), target(), None, caller)

    assert asked == [None, empty]


def test_a_module_that_breaks_tells_its_type_and_not_its_text() -> None:
    def breaks(_: object) -> None:
        raise RuntimeError(f"could not use {MARKER}")

    with pytest.raises(SignOnError, match="RuntimeError") as refused:
        resolver(None, calling(breaks)).resolve(container_managed("Mapping"), target(), None, ALICE)

    error: BaseException | None = refused.value
    assert MARKER not in str(error)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


@pytest.mark.parametrize(
    ("case", "code"),
    [("unsupported", "CF-SIGN-013"), ("unvouched", "CF-SIGN-014"), ("foreign", "CF-SIGN-015"), ("two", "CF-SIGN-015")],
)
def test_an_assertion_that_cannot_be_carried_out_is_refused_and_never_skipped(case: str, code: str) -> None:
    """Skipping it would let the caller work as the trusted user itself."""
    resource = target(capabilities=frozenset()) if case == "unsupported" else target()
    trusted = PasswordCredential("door", Secret(MARKER), resource.factory)
    alice, bob = (IdentityAssertion(name, "weather", factory=resource.factory) for name in ("alice", "bob"))
    yields = {
        "unsupported": [trusted, alice],
        "unvouched": [alice],
        "foreign": [trusted, IdentityAssertion("alice", "weather")],
        "two": [trusted, alice, bob],
    }[case]
    reference = container_managed("Mapping", on_no_credential=OnNoCredential.FACTORY_DEFAULT)

    with pytest.raises(SignOnError) as refused:
        resolver(None, calling(lambda _: yields)).resolve(reference, resource, None, ALICE)

    assert refused.value.code == code


@pytest.mark.parametrize("change", ["another module", "a second module", "options"])
def test_the_default_mapping_cannot_be_changed(change: str) -> None:
    name = "DefaultPrincipalMapping"
    entry = ChainEntry("default", DefaultPrincipalMappingModule, ControlFlag.REQUIRED)
    changed = {
        "another module": chain(name, DefaultPrincipalMappingModule, "mine"),
        "a second module": LoginConfiguration(name, (entry, entry)),
        "options": chain(name, DefaultPrincipalMappingModule, "default", alias="x"),
    }[change]

    with pytest.raises(ConfigError, match="built in") as refused:
        resolver(None, changed)

    assert refused.value.code == "CF-SIGN-020"


def test_of_two_fitting_credentials_the_first_is_used_and_the_second_explained() -> None:
    resource = target()
    first, second = (PasswordCredential(user, Secret(MARKER), resource.factory) for user in ("first", "second"))

    plan = resolver(None, calling(lambda _: [first, second])).resolve(
        container_managed("Mapping"), resource, None, ALICE
    )

    assert user_of(plan) == "first"
    assert "an earlier credential fits" in str(plan.explanation)


def test_a_module_that_forgets_the_version_of_its_alias_does_not_hide_it() -> None:
    """Without a version no change of the alias would ever retire the connection (AUTHD-3)."""

    def forgetful(module: CallerModule) -> list[object]:
        answer = AuthenticationDataCallback("ledger")
        module.handler.handle([answer])
        assert answer.data is not None
        return [PasswordCredential(answer.data.user, answer.data.password, module.factory, "ledger")]

    plan = resolver(AuthData(ledger="door"), calling(forgetful)).resolve(
        container_managed("Mapping"), target(), None, ALICE
    )

    assert plan.version == 3
