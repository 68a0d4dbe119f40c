"""SIGN-5: always the configured identity, for whoever may call."""

from __future__ import annotations

import pytest
from support_mappers import RESOURCE, credential_of, remarks, run_module
from support_secrets import MARKER
from support_signon import ALICE, BOB, AuthData, chain, container_managed

from connector.security.login_chain import ChainFailed
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import Dependency, LoginModule, PasswordCredential, Secret, Subject
from connector_configured import ConfiguredIdentityModule

ALIASES = AuthData(batch="batch_user", other="other_user")
SERVER = Subject.server("weather", "weather")
NOBODY = [None, Subject(read_only=True), Subject.unauthenticated()]


def _given(who: Subject | None, /, **options: object) -> PasswordCredential:
    return credential_of(run_module(ConfiguredIdentityModule, {"alias": "batch", **options}, who, ALIASES))


@pytest.mark.parametrize("caller", [ALICE, BOB, SERVER, *NOBODY])
def test_everybody_and_nobody_is_the_configured_user(caller: Subject | None) -> None:
    assert _given(caller) == PasswordCredential("batch_user", Secret(MARKER), RESOURCE.factory, "batch", 3)


def test_another_user_may_have_the_password_of_the_alias() -> None:
    assert (_given(ALICE, user="nightly").user, _given(ALICE, user="nightly").alias) == ("nightly", "batch")


def test_the_alias_of_the_reference_plays_no_part() -> None:
    given = run_module(ConfiguredIdentityModule, {"alias": "batch"}, ALICE, ALIASES, alias="other")

    assert credential_of(given).alias == "batch"


@pytest.mark.parametrize("caller", NOBODY)
@pytest.mark.parametrize("wanted", ["authenticated", "user"])
def test_where_a_caller_is_required_nobody_is_refused(caller: Subject | None, wanted: str) -> None:
    with pytest.raises(ChainFailed, match="no authenticated caller") as failed:
        _given(caller, caller=wanted)

    assert failed.value.module == "mapper"


def test_the_containers_own_work_is_authenticated_and_no_user() -> None:
    assert _given(SERVER, caller="authenticated").user == "batch_user"
    with pytest.raises(ChainFailed, match="the caller is no user"):
        _given(SERVER, caller="user")
    assert _given(ALICE, caller="user").user == "batch_user"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"alias": "gone"}, "'gone' is not in the authentication data"),
        ({"alias": ""}, "no option `alias`"),
        ({"alias": 7}, "the option alias is not a text"),
        ({"caller": "everyone"}, "none of anybody, authenticated, user"),
    ],
)
def test_what_is_wrong_is_a_failure_that_says_so(options: dict[str, object], text: str) -> None:
    with pytest.raises(ChainFailed, match=text):
        _given(ALICE, **options)


@pytest.mark.parametrize(
    ("caller", "depends_on"),
    [
        (None, {Dependency.ALIAS}),
        ("anybody", {Dependency.ALIAS}),
        ("authenticated", {Dependency.ALIAS, Dependency.CALLER}),
        ("user", {Dependency.ALIAS, Dependency.CALLER}),
    ],
)
def test_it_looks_at_the_caller_only_where_one_is_required(caller: str | None, depends_on: set[Dependency]) -> None:
    options = {"alias": "batch"} | ({"caller": caller} if caller is not None else {})

    assert chain("C", ConfiguredIdentityModule, **options).depends_on == depends_on


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"user": "nightly"}, "anybody → alias 'batch', user 'nightly'"),
        ({"caller": "authenticated"}, "any authenticated caller → alias 'batch'"),
        ({"caller": "user"}, "any user → alias 'batch'"),
    ],
)
def test_it_says_who_is_signed_on_as_what(more: dict[str, str], said: str) -> None:
    result = run_module(ConfiguredIdentityModule, {"alias": "batch", **more}, ALICE, ALIASES)

    assert remarks(result) == [said]


def test_nothing_is_in_the_subject_before_commit_nor_after_abort() -> None:
    handler = SignOnCallbackHandler(container_managed("C"), RESOURCE, None, ALICE, ALIASES.get)
    module, subject = ConfiguredIdentityModule(), Subject()
    module.initialize(subject, handler, {}, {"alias": "batch"})

    assert isinstance(module, LoginModule)
    assert module.login()
    assert subject.is_empty
    assert module.commit()
    assert len(subject.credentials) == 1
    assert module.abort()
    assert subject.is_empty
    assert not module.commit()
