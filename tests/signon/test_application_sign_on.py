"""SIGN-1: application-managed sign-on takes the first source that has user and password, and never mixes two."""

from __future__ import annotations

import pytest
from support_signon import AuthData, application, call, resolver, target, user_of

from connector.errors import SignOnError
from connector.spi import KERBV5, Secret, SignOnSource


@pytest.mark.parametrize("in_call", [True, False])
@pytest.mark.parametrize("alias", [True, False])
@pytest.mark.parametrize("properties", [True, False])
def test_the_first_source_that_is_there_wins(in_call: bool, alias: bool, properties: bool) -> None:
    request = call("caller", "c") if in_call else None
    resource = target(
        component_alias="batch" if alias else None,
        user="guest" if properties else None,
        password=Secret("p") if properties else None,
    )

    plan = resolver(AuthData(batch="batch-user")).resolve(application(), resource, request, None)

    expected, user = next(
        (source, name)
        for present, source, name in [
            (in_call, SignOnSource.CALL_ARGUMENTS, "caller"),
            (alias, SignOnSource.COMPONENT_ALIAS, "batch-user"),
            (properties, SignOnSource.RESOURCE_PROPERTIES, "guest"),
            (True, SignOnSource.FACTORY_DEFAULT, None),
        ]
        if present
    )
    assert plan.source is expected
    assert plan.user == user
    assert (plan.subject is None) == (user is None)
    if user is not None:
        assert user_of(plan) == user


def test_sources_that_did_not_win_are_named_with_their_reason() -> None:
    resource = target(component_alias="batch", user="guest", password=Secret("p"))

    plan = resolver(AuthData(batch="batch-user")).resolve(application(), resource, None, None)

    assert [(one.source, one.why) for one in plan.rejected] == [
        (SignOnSource.CALL_ARGUMENTS, "no user and password in the call"),
        (SignOnSource.RESOURCE_PROPERTIES, "outranked by component alias"),
    ]


def test_a_named_but_unknown_alias_is_an_error_and_never_skipped() -> None:
    resource = target(component_alias="btach", user="guest", password=Secret("p"))

    with pytest.raises(SignOnError, match=r"'btach'.*not in the authentication data") as refused:
        resolver(AuthData(batch="batch-user")).resolve(application(), resource, None, None)

    assert refused.value.code == "CF-SIGN-002"


def test_an_unknown_alias_does_no_harm_where_the_call_wins() -> None:
    plan = resolver().resolve(application(), target(component_alias="gone"), call("caller", "c"), None)

    assert user_of(plan) == "caller"


@pytest.mark.parametrize(
    ("request_user", "request_password", "half"),
    [
        ("caller", None, "a user without a password"),
        (None, "c", "a password without a user"),
        ("", "c", "an empty user"),
        ("", None, "an empty user"),
    ],
)
def test_half_a_credential_in_the_call_is_refused_and_not_completed_from_below(
    request_user: str | None, request_password: str | None, half: str
) -> None:
    resource = target(component_alias="batch", user="guest", password=Secret("p"))

    with pytest.raises(SignOnError, match=half) as refused:
        resolver(AuthData(batch="batch-user")).resolve(
            application(), resource, call(request_user, request_password), None
        )

    assert refused.value.code == "CF-SIGN-001"


@pytest.mark.parametrize(("user", "password"), [("guest", None), (None, Secret("p"))])
def test_half_a_credential_in_the_resource_properties_is_refused(user: str | None, password: Secret | None) -> None:
    with pytest.raises(SignOnError, match="resource properties") as refused:
        resolver().resolve(application(), target(user=user, password=password), None, None)

    assert refused.value.code == "CF-SIGN-001"


def test_a_resource_without_passwords_is_never_given_one() -> None:
    resource = target(component_alias="batch", mechanisms=frozenset({KERBV5}))

    with pytest.raises(SignOnError, match="Kerbv5") as refused:
        resolver(AuthData(batch="batch-user")).resolve(application(), resource, None, None)

    assert refused.value.code == "CF-SIGN-003"


def test_the_plan_knows_the_version_of_its_alias_and_forgets_the_password_of_the_call() -> None:
    named = resolver(AuthData(batch="batch-user")).resolve(application(), target(component_alias="batch"), None, None)
    passed = resolver().resolve(application(), target(), call("caller", "c", schema="x"), None)

    assert named.version == 3
    assert passed.version == 0
    assert passed.request == call(schema="x")
    assert passed.request is not None
    assert passed.request.password is None
