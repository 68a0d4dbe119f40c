"""A directory that goes away and comes back: a temporary error, never a "no", and no restart."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import support_ldap
from support_certificates import Authority
from support_ldap import dn_of
from support_security import FixedClock
from support_slapd import SlapdServer

from connector.errors import AuthenticationFailed
from connector.spi import Secret
from connector_ldap.directory import in_order
from connector_ldap.failures import DirectoryError
from connector_ldap.registry import LdapUserRegistry
from connector_ldap.settings import Server

pytestmark = pytest.mark.ldap
MakeRegistry = Callable[..., LdapUserRegistry]


def test_an_outage_is_a_temporary_error_and_over_when_the_directory_is_back(
    slapd: SlapdServer, make_registry: MakeRegistry, marker: Secret
) -> None:
    registry = make_registry(cache_time=0)
    assert registry.check_password("alice", marker)
    slapd.stop()
    questions: tuple[Callable[[], object], ...] = (
        lambda: registry.check_password("alice", marker),
        lambda: registry.user_exists("alice"),
        lambda: registry.group_exists("clerks"),
        lambda: registry.groups_of("alice"),
        lambda: registry.unique_name("alice"),
        registry.users,
        registry.groups,
    )
    for ask in questions:
        with pytest.raises(AuthenticationFailed) as failed:
            ask()
        assert failed.value.code == "CF-LDAP-010"
        assert isinstance(failed.value, DirectoryError)
        assert failed.value.retryable
        assert slapd.tls_url in failed.value.text
    slapd.start()
    assert registry.check_password("alice", marker)
    assert registry.groups_of("alice") == {"clerks", "staff", "everybody"}


def test_a_restart_in_between_is_not_even_noticed(slapd: SlapdServer, make_registry: MakeRegistry) -> None:
    registry = make_registry(cache_time=0)
    assert registry.user_exists("alice")
    slapd.stop()
    slapd.start()
    assert registry.user_exists("alice")


def test_an_outage_does_not_lengthen_what_is_kept(
    slapd: SlapdServer, registry: LdapUserRegistry, clock: FixedClock
) -> None:
    assert registry.user_exists("alice")
    slapd.stop()
    clock.now += 29
    assert registry.user_exists("alice")
    clock.now += 1
    with pytest.raises(DirectoryError):
        registry.user_exists("alice")
    slapd.start()
    assert registry.user_exists("alice")


def test_an_outage_while_groups_are_read_fails_the_question_as_a_whole(
    slapd: SlapdServer, registry: LdapUserRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert registry.user_exists("alice")  # kept: the next question begins with the groups
    slapd.stop()
    with pytest.raises(DirectoryError):
        registry.groups_of("alice")
    slapd.start()
    assert registry.groups_of("alice") == {"clerks", "staff", "everybody"}


def test_the_next_server_is_asked_and_the_first_one_again_once_it_is_back(
    slapd: SlapdServer, authority: Authority, ca_file: Path, clock: FixedClock, marker: Secret
) -> None:
    with SlapdServer(*authority.issue()) as second:
        support_ldap.fill(second)
        second.delete(dn_of("bob"))  # so that they can be told apart
        registry = support_ldap.registry(
            support_ldap.settings(slapd, ca_file, urls=[slapd.tls_url, second.url], cache_time=0), clock
        )
        try:
            assert registry.user_exists("bob")
            slapd.stop()
            assert not registry.user_exists("bob")
            assert registry.check_password("alice", marker)
            slapd.start()
            assert not registry.user_exists("bob")  # the connection to the second one is still good
            clock.now += 60
            assert registry.user_exists("bob")
            second.stop()
            assert registry.check_password("bob", marker)
        finally:
            registry.close()


def test_servers_that_failed_lately_are_tried_last() -> None:
    first, second, third = (Server(f"ldaps://{name}", name, 636, "ldaps") for name in ("a", "b", "c"))
    assert in_order([first, second, third], {}, 100) == (first, second, third)
    assert in_order([first, second, third], {first: 90}, 100) == (second, third, first)
    assert in_order([first, second, third], {first: 90, third: 99}, 100) == (second, first, third)
    assert in_order([first, second, third], {first: 70}, 100) == (first, second, third)
    assert in_order([first, second], {first: 99, second: 99}, 100) == (first, second)
