"""SIGN-5: a platform's user id, where no user and password is present or defaulted by an alias."""

from __future__ import annotations

import os
import pwd

import pytest
from support_secrets import MARKER
from support_signon import ALICE, REALM, AuthData, call, chain, container_managed, target

from connector.security.login_chain import ChainFailed, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import (
    PLATFORM,
    ConnectionRequestInfo,
    Dependency,
    LoginModule,
    PlatformIdentity,
    Subject,
)
from connector_platform import PlatformMappingModule

RESOURCE = target(mechanisms=frozenset({PLATFORM}))
PROCESS = pwd.getpwuid(os.geteuid()).pw_name
KNOWN = Subject.of_user("alice", REALM, credentials=[PlatformIdentity("ALICE1")])


def user(
    caller: Subject | None,
    properties: dict[str, str] | None = None,
    *,
    request: ConnectionRequestInfo | None = None,
    **options: object,
) -> str | None:
    """Who is signed on; None where the module has nothing to say."""
    given = dict(properties or {})
    reference = container_managed("P", alias=given.pop("alias", None), **given)  # type: ignore[arg-type]  # texts only
    handler = SignOnCallbackHandler(reference, RESOURCE, request, caller, AuthData(ledger="x").get)
    try:
        subject = run_chain(chain("P", PlatformMappingModule, "platform", **options), handler).subject
    except ChainFailed as failed:
        if failed.module is None:
            return None
        raise
    (found,) = subject.credentials_of(PlatformIdentity, RESOURCE.factory)
    return found.user


def test_it_is_a_login_module_that_names_what_it_may_depend_on() -> None:
    assert isinstance(PlatformMappingModule(), LoginModule)
    assert PlatformMappingModule.depends_on == {Dependency.ALIAS, Dependency.CREDENTIALS, Dependency.REQUEST}


def test_the_user_id_in_the_callers_subject_is_taken() -> None:
    assert user(KNOWN) == "ALICE1"
    assert user(KNOWN, process_user=True) == "ALICE1"


def test_a_user_id_for_another_factory_is_not_the_callers() -> None:
    assert user(Subject.of_user("alice", REALM, credentials=[PlatformIdentity("ALICE1", object())])) is None


@pytest.mark.parametrize("caller", [None, ALICE, Subject.unauthenticated()], ids=["null", "alice", "unauthenticated"])
def test_the_processs_own_user_is_taken_by_option_only(caller: Subject | None) -> None:
    assert user(caller) is None
    assert user(caller, process_user=True) == PROCESS
    assert user(caller, {"process_user": "True"}) == PROCESS
    assert user(caller, {"process_user": "false"}, process_user=True) is None


def test_where_an_alias_or_a_password_is_given_it_has_nothing_to_say() -> None:
    assert user(KNOWN, {"alias": "ledger"}, process_user=True) is None
    assert user(KNOWN, request=call("carol", MARKER), process_user=True) is None
    assert user(KNOWN, request=call("carol")) == "ALICE1"


@pytest.mark.parametrize("value", ["yes", "", 1, None])
def test_the_option_is_true_or_false_and_nothing_else(value: object) -> None:
    with pytest.raises(ChainFailed, match=r"CF-PLAT-001: the setting process_user is"):
        user(KNOWN, process_user=value)


def test_a_process_without_a_users_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 4_000_000_001)

    with pytest.raises(ChainFailed, match=r"CF-PLAT-002.*4000000001"):
        user(None, process_user=True)


def test_the_credential_is_keyed_by_the_user_id() -> None:
    assert PlatformIdentity("ALICE1").key() == (PLATFORM, "ALICE1")
    assert PlatformIdentity("ALICE1") == PlatformIdentity("ALICE1")
    assert PlatformIdentity("ALICE1") != PlatformIdentity("ALICE1", object())
