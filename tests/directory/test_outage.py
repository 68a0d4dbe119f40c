"""A directory that goes away and comes back: a temporary error, never a "no", and no restart."""

from __future__ import annotations

import threading
import time
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


@pytest.mark.parametrize("scheme", ["ldaps", "ldap"])
def test_a_server_that_hangs_holds_nobody_for_longer_than_the_time_outs(
    slapd: SlapdServer, make_registry: MakeRegistry, marker: Secret, scheme: str
) -> None:
    url = slapd.tls_url if scheme == "ldaps" else slapd.url
    registry = make_registry(urls=[url], cache_time=0, timeout=0.2, connect_timeout=0.2)
    assert registry.user_exists("alice")
    questions: tuple[Callable[[], object], ...] = (
        lambda: registry.user_exists("alice"),
        lambda: registry.check_password("alice", marker),
    )
    with slapd.hanging():
        for ask in questions:
            with pytest.raises(DirectoryError) as failed:
                ask()
            assert failed.value.code == "CF-LDAP-010"
            assert "timed out" in failed.value.text.lower()
    assert registry.check_password("alice", marker)


def test_several_threads_ask_at_once_while_the_directory_comes_and_goes(
    slapd: SlapdServer, make_registry: MakeRegistry, marker: Secret
) -> None:
    registry = make_registry(cache_time=0)
    answers: list[object] = []
    stop = threading.Event()

    def ask(user: str, groups: set[str]) -> None:
        while not stop.is_set():
            try:
                answers.append((registry.check_password(user, marker), registry.groups_of(user) == groups))
            except DirectoryError as error:
                answers.append(error.code)

    threads = [
        threading.Thread(target=ask, args=who)
        for who in (("alice", {"clerks", "staff", "everybody"}), ("bob", {"staff", "everybody"})) * 3
    ]
    for thread in threads:
        thread.start()

    def until(enough: Callable[[int], bool]) -> None:
        before, deadline = len(answers), time.monotonic() + 30
        while not enough(before) and time.monotonic() < deadline:
            stop.wait(0.01)

    try:
        for _ in range(3):
            until(lambda before: len(answers) >= before + 20)
            slapd.stop()
            until(lambda before: "CF-LDAP-010" in answers[before:])
            slapd.start()
        until(lambda before: (True, True) in answers[before:])
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert set(answers) == {(True, True), "CF-LDAP-010"}


def test_servers_that_failed_lately_are_tried_last() -> None:
    first, second, third = (Server(f"ldaps://{name}", name, 636, "ldaps") for name in ("a", "b", "c"))
    assert in_order([first, second, third], {}, 100) == (first, second, third)
    assert in_order([first, second, third], {first: 90}, 100) == (second, third, first)
    assert in_order([first, second, third], {first: 90, third: 99}, 100) == (second, first, third)
    assert in_order([first, second, third], {first: 70}, 100) == (first, second, third)
    assert in_order([first, second], {first: 99, second: 99}, 100) == (first, second)
