"""A user's groups: nested, in circles, by members or by the user's own list, and only those of the realm."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support_ldap import PEOPLE, dn_of, group, group_dn, person
from support_security import FixedClock
from support_slapd import SUFFIX, SlapdServer

from connector.spi import Secret
from connector_ldap.registry import LdapUserRegistry

pytestmark = pytest.mark.ldap
MakeRegistry = Callable[..., LdapUserRegistry]


@pytest.fixture(params=["member", "memberof"])
def source(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def elsewhere(slapd: SlapdServer) -> Iterator[None]:
    """A group outside of where the realm's groups are."""
    slapd.add(f"cn=admins,{PEOPLE}", **group("admins", dn_of("alice")))
    yield
    slapd.delete(f"cn=admins,{PEOPLE}")


def test_groups_of_groups_count_and_circles_end(make_registry: MakeRegistry, source: str) -> None:
    registry = make_registry(groups=source)
    assert registry.groups_of("alice") == {"clerks", "staff", "everybody"}
    assert registry.groups_of("bob") == {"staff", "everybody"}


def test_groups_of_groups_can_be_left_out(make_registry: MakeRegistry, source: str) -> None:
    assert make_registry(groups=source, nested_groups=False).groups_of("alice") == {"clerks"}


def test_a_group_elsewhere_does_not_count(make_registry: MakeRegistry, elsewhere: None, source: str) -> None:
    assert "admins" not in make_registry(groups=source).groups_of("alice")
    spelled = make_registry(groups=source, group_base=f"OU=Groups, {SUFFIX}")
    assert spelled.groups_of("alice") == {"clerks", "staff", "everybody"}
    assert "admins" in make_registry(groups=source, group_base=SUFFIX).groups_of("alice")


def test_nobody_has_no_groups(make_registry: MakeRegistry, source: str) -> None:
    assert make_registry(groups=source).groups_of("nobody") == frozenset()


def test_groups_are_kept_for_the_cache_time_and_looked_up_anew_at_a_login(
    slapd: SlapdServer, make_registry: MakeRegistry, clock: FixedClock, marker: Secret, source: str
) -> None:
    registry = make_registry(groups=source)
    slapd.add(dn_of("eve"), **person("eve"))
    slapd.add(group_dn("night"), **group("night", dn_of("eve")))
    try:
        assert registry.groups_of("eve") == {"night"}
        slapd.replace(group_dn("night"), member=dn_of("bob"))
        assert registry.groups_of("eve") == {"night"}
        clock.now += 30
        assert registry.groups_of("eve") == frozenset()

        slapd.replace(group_dn("night"), member=dn_of("eve"))
        assert registry.groups_of("eve") == frozenset()
        assert registry.check_password("eve", marker)
        assert registry.groups_of("eve") == {"night"}

        slapd.replace(group_dn("night"), member=dn_of("bob"))
        registry.forget()
        assert registry.groups_of("eve") == frozenset()
    finally:
        slapd.delete(group_dn("night"))
        slapd.delete(dn_of("eve"))


def test_groups_are_never_older_than_the_cache_time_though_the_user_was_kept_before(
    slapd: SlapdServer, make_registry: MakeRegistry, source: str
) -> None:
    registry = make_registry(groups=source)
    slapd.add(dn_of("eve"), **person("eve"))
    try:
        assert registry.user_exists("eve")
        slapd.add(group_dn("night"), **group("night", dn_of("eve")))
        assert registry.groups_of("eve") == {"night"}
    finally:
        slapd.delete(group_dn("night"))
        slapd.delete(dn_of("eve"))


def test_without_a_cache_time_nothing_is_kept(slapd: SlapdServer, make_registry: MakeRegistry) -> None:
    registry = make_registry(cache_time=0)
    slapd.add(dn_of("eve"), **person("eve"))
    assert registry.user_exists("eve")
    slapd.delete(dn_of("eve"))
    assert not registry.user_exists("eve")


def test_a_group_without_names_of_its_own_kind_is_no_group(make_registry: MakeRegistry) -> None:
    registry = make_registry(group_filter="(objectClass=groupOfUniqueNames)")
    assert registry.groups_of("alice") == frozenset()
    assert registry.groups() == ()
