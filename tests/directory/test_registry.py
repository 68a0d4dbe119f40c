"""A realm's users in a directory: who exists, whose password is right, and who is whose namesake."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support_ldap import HOSTILE, ODD, PEOPLE, REALM, dn_of, person
from support_secrets import MARKER, shows_marker
from support_security import FixedClock
from support_slapd import SlapdServer

from connector.errors import AuthenticationFailed
from connector.spi import Secret, UserRegistry
from connector_ldap.failures import DirectoryError
from connector_ldap.registry import LdapUserRegistry

pytestmark = pytest.mark.ldap
MakeRegistry = Callable[..., LdapUserRegistry]


def test_it_is_a_user_registry_of_its_realm(registry: LdapUserRegistry) -> None:
    assert isinstance(registry, UserRegistry)
    assert registry.realm == REALM


def test_a_password_is_checked_by_the_directory(registry: LdapUserRegistry, marker: Secret) -> None:
    assert registry.check_password("alice", marker)
    assert not registry.check_password("alice", Secret("wrong"))
    assert not registry.check_password("nobody", marker)


def test_an_empty_password_is_refused_without_asking(
    slapd: SlapdServer, registry: LdapUserRegistry, marker: Secret
) -> None:
    slapd.stop()
    assert not registry.check_password("alice", Secret(""))


@pytest.mark.parametrize("password", ["\udc80" + MARKER, "\0", " ", "a\0b", "x" * 100_000])
def test_a_password_that_nobody_can_have_is_wrong_and_no_error(registry: LdapUserRegistry, password: str) -> None:
    assert not registry.check_password("alice", Secret(password))


def test_users_and_groups_are_listed_in_order(registry: LdapUserRegistry) -> None:
    assert registry.users() == tuple(sorted(("alice", "bob", *ODD)))
    assert registry.groups() == ("clerks", "everybody", "staff")
    assert registry.user_exists("alice")
    assert registry.group_exists("clerks")
    assert not registry.user_exists("clerks")
    assert not registry.group_exists("alice")


@pytest.mark.parametrize("name", ["Alice", "ALICE", "alice ", " alice", "alice\0", "", HOSTILE, "*", "ali*", "\udc80"])
def test_a_name_in_another_spelling_is_nobody(registry: LdapUserRegistry, marker: Secret, name: str) -> None:
    # The directory itself takes `ALICE` for `alice`; roles and external systems don't.
    assert not registry.user_exists(name)
    assert not registry.check_password(name, marker)
    assert registry.groups_of(name) == frozenset()
    assert not registry.group_exists(name)


@pytest.mark.parametrize("name", ODD)
def test_a_name_may_hold_what_is_syntax_elsewhere(registry: LdapUserRegistry, marker: Secret, name: str) -> None:
    assert registry.user_exists(name)
    assert registry.check_password(name, marker)
    assert not registry.check_password(name, Secret("wrong"))


def test_a_unique_name_stays_when_the_name_changes(slapd: SlapdServer, registry: LdapUserRegistry) -> None:
    slapd.add(f"cn=renamed,{PEOPLE}", **{**person("before"), "cn": "renamed"})
    try:
        unique = registry.unique_name("before")
        slapd.replace(f"cn=renamed,{PEOPLE}", uid="after")
        assert registry.unique_name("after") == unique
        assert unique != registry.unique_name("alice")
    finally:
        slapd.delete(f"cn=renamed,{PEOPLE}")


def test_an_unknown_user_has_no_unique_name(registry: LdapUserRegistry) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        registry.unique_name("nobody")
    assert refused.value.code == "CF-LDAP-020"


def test_two_entries_of_one_name_are_an_error_and_no_choice(
    slapd: SlapdServer, registry: LdapUserRegistry, marker: Secret
) -> None:
    slapd.add(f"cn=double,{PEOPLE}", **{**person("bob"), "cn": "double"})
    try:
        with pytest.raises(DirectoryError) as refused:
            registry.check_password("bob", marker)
        assert refused.value.code == "CF-LDAP-016"
    finally:
        slapd.delete(f"cn=double,{PEOPLE}")


def test_a_revoked_user_is_refused_at_the_next_login_and_gone_once_the_cache_time_is_over(
    slapd: SlapdServer, registry: LdapUserRegistry, clock: FixedClock, marker: Secret
) -> None:
    slapd.add(dn_of("eve"), **person("eve"))
    assert registry.user_exists("eve")
    slapd.delete(dn_of("eve"))

    assert registry.user_exists("eve")
    clock.now += 30
    assert not registry.user_exists("eve")
    assert not registry.check_password("eve", marker)


def test_a_login_forgets_what_was_kept_of_its_user(
    slapd: SlapdServer, registry: LdapUserRegistry, marker: Secret
) -> None:
    slapd.add(dn_of("eve"), **person("eve"))
    assert registry.user_exists("eve")
    slapd.delete(dn_of("eve"))

    assert not registry.check_password("eve", marker)
    assert not registry.user_exists("eve")


def test_who_appears_is_known_at_once(slapd: SlapdServer, registry: LdapUserRegistry) -> None:
    assert not registry.user_exists("frank")
    slapd.add(dn_of("frank"), **person("frank"))
    try:
        assert registry.user_exists("frank")
    finally:
        slapd.delete(dn_of("frank"))


def test_a_changed_password_counts_at_once(slapd: SlapdServer, registry: LdapUserRegistry, marker: Secret) -> None:
    slapd.add(dn_of("eve"), **person("eve"))
    try:
        assert registry.check_password("eve", marker)
        slapd.replace(dn_of("eve"), userPassword="another one")
        assert not registry.check_password("eve", marker)
        assert registry.check_password("eve", Secret("another one"))
    finally:
        slapd.delete(dn_of("eve"))


def test_a_service_account_that_is_refused_is_no_refusal_of_the_user(
    make_registry: MakeRegistry, marker: Secret
) -> None:
    registry = make_registry(bind_password=marker)
    with pytest.raises(DirectoryError) as failed:
        registry.check_password("alice", marker)
    assert failed.value.code == "CF-LDAP-012"
    assert not failed.value.retryable
    assert shows_marker(failed.value) == []
    assert shows_marker(registry) == []


def test_a_base_that_is_not_there_is_told_and_no_unknown_user(make_registry: MakeRegistry) -> None:
    with pytest.raises(DirectoryError) as failed:
        make_registry(base="ou=peple,dc=example,dc=org").user_exists("alice")
    assert failed.value.code == "CF-LDAP-014"
