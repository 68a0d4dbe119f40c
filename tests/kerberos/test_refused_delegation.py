"""A KDC refuses delegation with one code whatever is missing: which flag it is, is said all the same."""

from __future__ import annotations

from typing import Any

import pytest
from support_kerberos import NAME
from support_mapped import called
from support_signon import ALICE

from connector.errors import LoginRefused
from connector.spi import Subject

pytestmark = pytest.mark.kerberos


def refusal(reference: Any, caller: Subject) -> LoginRefused:
    with reference.asked_by(caller) as connections, pytest.raises(LoginRefused) as refused:
        connections.get_connection()
    return refused.value


@pytest.mark.parametrize(
    ("service", "caller", "code", "flag"),
    [
        ("unlisted", ALICE, "CF-KRB-032", "krbAllowedToDelegateTo"),
        ("flagless", ALICE, "CF-KRB-031", "ok_to_auth_as_delegate"),
        ("web", called("carol"), "CF-KRB-031", "-allow_forwardable"),
        ("stuck", ALICE, "CF-KRB-030", "+allow_forwardable"),
    ],
    ids=["the service isn't listed", "the service lacks the flag", "the user is protected", "no forwardable ticket"],
)
def test_what_is_missing_is_said(make_mapped: Any, service: str, caller: Subject, code: str, flag: str) -> None:
    refused = refusal(make_mapped(source="constrained", service=service), caller)

    assert refused.code == code
    assert flag in refused.action
    assert f"{service}/localhost@{NAME}" in str(refused)
    assert "postgres@localhost" in str(refused)


def test_a_user_whom_the_realm_does_not_know_is_told_from_a_refused_delegation(make_mapped: Any) -> None:
    assert refusal(make_mapped(source="constrained"), called("mallory")).code == "CF-KRB-023"
