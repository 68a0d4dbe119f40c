"""Who may do what on a running container (CONF-4)."""

from __future__ import annotations

import pytest

from connector.admin.access import Access, check_access, needs_login
from connector.admin.operations import OPERATIONS
from connector.errors import AccessDenied, AuthenticationFailed

ADMIN_ROLES = ["monitor", "operator", "configurator", "administrator"]


def ask(
    access: Access, *, security: bool = True, caller: str | None = None, roles: frozenset[str] = frozenset()
) -> None:
    check_access("op", access, security=security, container="c", caller=caller, roles=roles)


@pytest.mark.parametrize("access", [access for access in Access if access is not Access.BUS])
def test_without_a_login_a_secured_container_refuses_everything_but_the_bus(access: Access) -> None:
    with pytest.raises(AuthenticationFailed) as caught:
        ask(access)
    assert caught.value.code == "CF-ADM-020"


@pytest.mark.parametrize("access", list(Access))
def test_an_open_container_lets_everybody_pass(access: Access) -> None:
    ask(access, security=False)
    assert not needs_login(access, security=False)


def test_the_bus_decides_for_itself_whom_it_lets_in() -> None:
    ask(Access.BUS)


def test_a_look_up_needs_a_caller_and_no_role() -> None:
    ask(Access.AUTHENTICATED, caller="alice@test")


@pytest.mark.parametrize("role", ADMIN_ROLES)
@pytest.mark.parametrize("held", ADMIN_ROLES)
def test_exactly_the_holder_of_the_role_passes(role: str, held: str) -> None:
    if role == held:
        ask(Access(role), caller="x", roles=frozenset({held}))
        return
    with pytest.raises(AccessDenied) as caught:
        ask(Access(role), caller="x", roles=frozenset({held}))
    assert caught.value.code == "CF-ADM-021"
    assert role in caught.value.text


def test_what_changes_users_and_passwords_is_the_administrators_alone() -> None:
    changing = ["users.add", "users.remove", "users.passwd", "users.groups", "auth-data.set", "auth-data.remove"]
    assert {OPERATIONS[name].access for name in [*changing, "auth-data.rotate-key"]} == {Access.ADMINISTRATOR}
    assert OPERATIONS["test-connection"].access is Access.OPERATOR
    assert OPERATIONS["auth-data.refresh"].access is Access.OPERATOR
    for name in ("status", "explain", "plugins", "findings", "users.list", "auth-data.list"):
        assert OPERATIONS[name].access is Access.MONITOR
