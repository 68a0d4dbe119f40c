"""SIGN-1: where the application signs on itself, no login configuration has a say, whatever the reference names."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support_signon import ALICE, AuthData, PlanPool, application, call, calling, chain, own_user, resolver, target

from connector.outbound.manager import ReferenceConnectionManager
from connector.signon.reference import OnNoCredential
from connector.spi import ConnectionRequestInfo, LoginModule, SignOnSource, Subject


def _never() -> LoginModule:
    raise AssertionError("a mapper was made")


CONFIGURATION = chain("Mapping", _never)
REFERENCE = replace(
    application(), login="Mapping", alias="ledger", on_no_credential=OnNoCredential.FAIL, mapping_properties={"a": "b"}
)


@pytest.mark.parametrize(
    ("request_info", "component_alias", "source"),
    [
        (call("carol", "c"), "batch", SignOnSource.CALL_ARGUMENTS),
        (None, "batch", SignOnSource.COMPONENT_ALIAS),
        (None, None, SignOnSource.FACTORY_DEFAULT),
    ],
)
def test_no_mapper_is_made_and_the_references_own_alias_is_not_used(
    request_info: ConnectionRequestInfo | None, component_alias: str | None, source: SignOnSource
) -> None:
    data = AuthData(ledger="ledger_user", batch="batch_user")
    one, resource = resolver(data, CONFIGURATION), target(component_alias=component_alias)

    plan = one.resolve(REFERENCE, resource, request_info, ALICE)
    one.explain(REFERENCE, resource, request_info, ALICE)
    manager = ReferenceConnectionManager(REFERENCE, resource, one, PlanPool(), data)

    assert plan.source is source
    assert plan.user != "ledger_user"
    assert manager.current_plan(request_info).source is source


def test_an_unknown_login_configuration_does_no_harm() -> None:
    plan = resolver().resolve(replace(REFERENCE, login="Nowhere"), target(), None, ALICE)

    assert plan.source is SignOnSource.FACTORY_DEFAULT


def test_the_caller_plays_no_part() -> None:
    asked: list[Subject | None] = []
    one = resolver(AuthData(batch="u"), calling(own_user, asked=asked))
    resource = target(component_alias="batch")

    users = {one.resolve(REFERENCE, resource, None, caller).user for caller in (ALICE, None, Subject(read_only=True))}

    assert users == {"u"}
    assert asked == []
