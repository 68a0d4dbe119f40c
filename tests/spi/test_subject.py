"""Subjects, principals and credentials."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector.spi import (
    UNAUTHENTICATED,
    GroupPrincipal,
    IdentityAssertion,
    PasswordCredential,
    Principal,
    Secret,
    ServerPrincipal,
    Subject,
    UserPrincipal,
)


def test_a_user_and_a_group_of_one_name_differ() -> None:
    user: Principal = UserPrincipal("ops", "weather")
    assert user != GroupPrincipal("ops", "weather")


def test_a_null_subject_and_an_empty_one_differ() -> None:
    assert Subject().is_empty
    assert not Subject().is_authenticated
    assert not Subject.unauthenticated().is_empty
    assert not Subject.unauthenticated().is_authenticated


def test_equal_user_and_password_for_two_factories_are_two_credentials() -> None:
    one, two = object(), object()
    subject = Subject(credentials=[PasswordCredential("db", Secret("p"), f) for f in (one, two)])
    assert len(subject.credentials) == 2
    found = subject.password_credential(two)
    assert found is not None
    assert found.factory is two
    assert subject.password_credential(object()) is None


def test_a_credential_of_no_factory_serves_no_factory() -> None:
    subject = Subject(credentials=[PasswordCredential("db", Secret("p"))])
    assert subject.password_credential(object()) is None


def test_an_identity_assertion_belongs_to_its_factory() -> None:
    factory = object()
    assertion = IdentityAssertion("alice", "weather", factory=factory)
    assert Subject(credentials=[assertion]).identity_assertion(factory) is assertion
    assert Subject(credentials=[assertion]).identity_assertion(object()) is None


def test_a_read_only_subject_refuses_every_change() -> None:
    subject = Subject.of_user("alice", "weather", ["clients"])
    changes: list[Callable[[], None]] = [
        lambda: subject.add_principal(UNAUTHENTICATED),
        lambda: subject.add_credential(object()),
        lambda: subject.remove_credential(object()),
        subject.clear,
    ]
    for change in changes:
        with pytest.raises(RuntimeError, match="read-only"):
            change()


def test_groups_are_those_of_the_callers_realm() -> None:
    subject = Subject([UserPrincipal("a", "here"), GroupPrincipal("g", "here"), GroupPrincipal("g2", "there")])
    assert subject.groups == {"g"}
    assert subject.set_read_only().groups == {"g"}


def test_the_server_is_authenticated_and_known_as_such() -> None:
    server = Subject([ServerPrincipal("weather", "weather")])
    assert server.is_server
    assert server.is_authenticated


def test_a_pool_key_tells_passwords_apart_without_holding_one() -> None:
    first, again, other = (PasswordCredential("db", Secret(p)) for p in ("one", "one", "two"))
    assert first.key() == again.key()
    assert first.key() != other.key()


def test_a_new_version_of_an_alias_makes_no_new_pool_key() -> None:
    old, new = (PasswordCredential("db", Secret(p), alias="a", version=v) for p, v in (("one", 1), ("two", 2)))
    assert old.key() == new.key()
    assert old != new
