"""SIGN-7, SIGN-8: every sign-on explains itself, in one way, and without any secret."""

from __future__ import annotations

import json
import pickle

import pytest
from support_secrets import MARKER
from support_signon import (
    ALICE,
    BOB,
    AuthData,
    application,
    call,
    calling,
    container_managed,
    own_user,
    resolver,
    target,
)

from connector.errors import SignOnError
from connector.security.audit import MemoryAuditLog
from connector.signon.reference import ResourceReference
from connector.spi import ConnectionRequestInfo, Explanation, Outcome, Secret

TRUSTED = container_managed("TrustedConnectionMapping", alias="ledger")
RESOURCE = target(user="guest", password=Secret(MARKER))

PASSING = [
    (application(), call("carol", MARKER)),
    (application(), None),
    (container_managed(alias="ledger"), call("carol", MARKER)),
    (TRUSTED, None),
    (container_managed("Mapping"), None),
]
FAILING = [
    (application(), call("carol")),
    (container_managed(), None),
    (container_managed(alias="gone"), call("carol", MARKER)),
    (container_managed("Nowhere"), None),
]


@pytest.mark.parametrize(("reference", "request_info"), PASSING)
def test_explain_tells_what_the_plan_carries(
    reference: ResourceReference, request_info: ConnectionRequestInfo | None
) -> None:
    one = resolver(AuthData(ledger="door"), calling(own_user))

    plan = one.resolve(reference, RESOURCE, request_info, ALICE)
    explained = one.explain(reference, RESOURCE, request_info, ALICE)

    assert explained.in_short() == plan.explanation
    assert MARKER not in f"{explained} {explained.to_dict()} {explained!r} {plan!r} {reference!r} {RESOURCE!r}"


@pytest.mark.parametrize(("reference", "request_info"), FAILING)
def test_explain_tells_what_the_error_carries(
    reference: ResourceReference, request_info: ConnectionRequestInfo | None
) -> None:
    one = resolver(AuthData(ledger="door"))

    with pytest.raises(SignOnError) as refused:
        one.resolve(reference, RESOURCE, request_info, ALICE)
    explained = one.explain(reference, RESOURCE, request_info, ALICE)

    error = refused.value
    assert isinstance(error.explanation, Explanation)
    assert explained == error.explanation
    assert error.code in explained.answer
    assert "'jdbc/log'" in str(error)
    assert MARKER not in f"{explained} {error} {error!r} {error.to_dict()} {pickle.dumps(error)!r}"


def test_a_refusal_names_reference_resource_configuration_and_module() -> None:
    with pytest.raises(SignOnError) as refused:
        resolver().resolve(container_managed(alias="gone"), target(), None, ALICE)

    for name in ("'jdbc/log'", "'jdbc/ledger'", "'DefaultPrincipalMapping'", "'default'", "alice@weather"):
        assert name in refused.value.text


def test_an_explanation_shows_each_module_of_the_chain() -> None:
    shown = str(resolver(AuthData(ledger="door")).explain(TRUSTED, target(), None, ALICE))

    assert "for alice@weather" in shown
    assert "module trusted (required)" in shown
    assert "opened by user 'door' (alias 'ledger', version 3), working as 'alice@weather'" in shown


def test_a_plan_that_serves_every_caller_names_none() -> None:
    """It is kept and lent to others, who would read of somebody else."""
    one = resolver(AuthData(ledger="door"))

    shown = str(one.resolve(container_managed(alias="ledger"), target(), None, ALICE).explanation)

    assert "alice" not in shown
    assert "any caller" in shown


def test_success_denial_and_misconfiguration_are_audited_apart() -> None:
    audit = MemoryAuditLog()
    one = resolver(AuthData(ledger="door"), audit=audit)

    one.resolve(container_managed(alias="ledger"), target(), None, BOB)
    for reference in (container_managed(alias="gone"), container_managed("Nowhere")):
        with pytest.raises(SignOnError):
            one.resolve(reference, target(), None, BOB)

    assert [(event.action, event.who, event.resource, event.outcome, event.reason) for event in audit.events] == [
        ("sign-on", "bob@weather", "jdbc/ledger", Outcome.SUCCESS, "login configuration"),
        ("sign-on", "bob@weather", "jdbc/ledger", Outcome.DENIED, "CF-SIGN-011"),
        ("sign-on", "bob@weather", "jdbc/ledger", Outcome.FAILURE, "CF-SIGN-010"),
    ]
    json.dumps([dict(event.details) for event in audit.events])
    assert MARKER not in repr(audit.events)


def test_explaining_is_not_audited() -> None:
    audit = MemoryAuditLog()

    resolver(audit=audit).explain(container_managed("Nowhere"), target(), None, ALICE)

    assert audit.events == ()


def test_plans_of_many_callers_share_what_they_say_alike() -> None:
    one, reference = resolver(AuthData(ledger="door"), calling(own_user)), container_managed("Mapping")

    first, second = (one.resolve(reference, RESOURCE, None, caller).explanation for caller in (ALICE, BOB))

    assert first.question != second.question
    assert [step for step, other in zip(first.steps, second.steps, strict=True) if step is other]
