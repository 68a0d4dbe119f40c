"""SIGN-3, SIGN-4: for how long a plan is kept, where a login module looks at something outside or at nobody."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from support_secrets import MARKER
from support_signon import (
    ALICE,
    BOB,
    AuthData,
    CallerModule,
    PlanPool,
    calling,
    chain,
    container_managed,
    own_user,
    resolver,
    target,
)

from connector.outbound.manager import ReferenceConnectionManager
from connector.security.login_configuration import LoginConfiguration
from connector.security.scope import no_scope, open_scope
from connector.spi import Dependency, PasswordCredential, Secret, SignOnPlan, Subject


def _manager(configuration: LoginConfiguration) -> ReferenceConnectionManager:
    data = AuthData()
    return ReferenceConnectionManager(
        container_managed(configuration.name), target(), resolver(data, configuration), PlanPool(), data
    )


def _plan(manager: ReferenceConnectionManager, caller: Subject | None) -> SignOnPlan:
    if caller is None:
        with no_scope():
            return manager.current_plan()
    with open_scope(caller, realm="weather", container="test", origin="login of a test"):
        return manager.current_plan()


class Outside(CallerModule):
    """A module that also depends on something outside, for example a file."""

    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.CALLER})
    state: ClassVar[list[int]] = []

    @classmethod
    def revision(cls, options: Mapping[str, Any]) -> int:
        return cls.state[0]


class OutsideForEverybody(Outside):
    depends_on: ClassVar[frozenset[Dependency]] = frozenset({Dependency.ALIAS})


def everybody(module: CallerModule) -> list[object]:
    return [PasswordCredential("all", Secret(MARKER), module.factory)]


@pytest.mark.parametrize("kind", [Outside, OutsideForEverybody])
def test_a_plan_is_kept_until_something_outside_has_changed(
    kind: type[Outside], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Subject | None] = []
    manager = _manager(chain("Mapping", lambda: kind(everybody, asked)))

    for state in (1, 1, 2, 2, 3):
        monkeypatch.setattr(kind, "state", [state])
        _plan(manager, ALICE)

    assert len(asked) == 3


def test_nothing_is_kept_while_it_cannot_be_told_what_is_outside() -> None:
    asked: list[Subject | None] = []
    manager = _manager(chain("Mapping", lambda: Outside(own_user, asked)))

    for _ in range(3):
        _plan(manager, ALICE)

    assert len(asked) == 3


def test_the_fast_path_of_the_default_mapping_is_that_of_any_module_that_looks_at_nobody() -> None:
    """Nothing is decided by the name of a configuration or module."""
    asked: list[Subject | None] = []
    manager = _manager(calling(everybody, asked=asked, depends_on=frozenset({Dependency.ALIAS})))

    plans = [_plan(manager, caller) for caller in (ALICE, BOB, None, ALICE)]

    assert len({id(plan) for plan in plans}) == 1
    assert len(asked) == 1
