"""The identity service over a registry: authentication is audited, and says no more than it must."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_secrets import shows_marker

from connector.errors import AuthenticationFailed, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.file_registry import FileUserRegistry
from connector.security.identity import ContainerIdentity
from connector.security.passwords import ScryptCost
from connector.security.scope import open_scope
from connector.spi import IdentityService, Outcome, Secret

AWAY = Reason("CF-SEC-900", "the directory of this test is away.", "Wait.")


@pytest.fixture
def audit() -> MemoryAuditLog:
    return MemoryAuditLog()


@pytest.fixture
def registry(tmp_path: Path, marker: Secret) -> FileUserRegistry:
    registry = FileUserRegistry("weather", tmp_path / "users.toml", ScryptCost(2, 1, 1))
    registry.add_user("alice", marker, ["forecasters"])
    return registry


@pytest.fixture
def identity(registry: FileUserRegistry, audit: MemoryAuditLog) -> ContainerIdentity:
    return ContainerIdentity(registry, trusted_realms=frozenset({"partners"}), security_enabled=True, audit=audit)


def test_it_is_an_identity_service(identity: ContainerIdentity) -> None:
    service: IdentityService = identity
    assert (service.realm, service.trusted_realms, service.security_enabled) == (
        "weather",
        frozenset({"partners"}),
        True,
    )
    assert service.user_exists("alice")
    assert not service.user_exists("bob")
    assert service.group_exists("forecasters")
    assert service.groups_of("alice") == {"forecasters"}


def test_the_right_password_gives_a_subject_with_groups(
    identity: ContainerIdentity, audit: MemoryAuditLog, marker: Secret
) -> None:
    subject = identity.authenticate("alice", marker)
    assert str(subject.caller) == "alice@weather"
    assert subject.groups == {"forecasters"}
    assert subject.is_read_only
    assert [(event.action, event.who, event.outcome) for event in audit.events] == [("login", "alice", Outcome.SUCCESS)]


@pytest.mark.parametrize(("user", "password"), [("alice", "wrong"), ("alice", ""), ("nobody", "x"), ("", "x")])
def test_a_refusal_does_not_tell_what_was_wrong(
    identity: ContainerIdentity, audit: MemoryAuditLog, user: str, password: str
) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        identity.authenticate(user, Secret(password))
    assert refused.value.code == "CF-SEC-010"
    assert [(event.outcome, event.reason) for event in audit.events] == [(Outcome.DENIED, "CF-SEC-010")]


def test_a_refusal_does_not_show_the_password(identity: ContainerIdentity, audit: MemoryAuditLog) -> None:
    from support_secrets import MARKER

    with pytest.raises(AuthenticationFailed) as refused:
        identity.authenticate("alice", Secret(MARKER + "!"))
    assert not shows_marker(refused.value)
    assert not shows_marker(audit.events)
    assert not shows_marker(identity)


def test_without_security_whoever_asks_still_gets_a_real_authentication(
    registry: FileUserRegistry, audit: MemoryAuditLog
) -> None:
    identity = ContainerIdentity(registry, security_enabled=False, audit=audit)
    assert not identity.security_enabled
    with pytest.raises(AuthenticationFailed):
        identity.authenticate("alice", Secret("wrong"))


def test_a_registry_that_is_away_is_a_failure_and_not_a_no(
    identity: ContainerIdentity, registry: FileUserRegistry, audit: MemoryAuditLog, marker: Secret
) -> None:
    class Away:
        realm = "weather"

        def check_password(self, user: str, password: Secret) -> bool:
            raise AuthenticationFailed(AWAY)

    with pytest.raises(AuthenticationFailed) as failed:
        ContainerIdentity(Away(), audit=audit).authenticate("alice", marker)  # type: ignore[arg-type]  # asked for no more
    assert failed.value.code == "CF-SEC-900"
    assert [(event.outcome, event.reason) for event in audit.events] == [(Outcome.FAILURE, "CF-SEC-900")]


def test_a_known_user_is_asserted_without_a_password(identity: ContainerIdentity) -> None:
    assert identity.assert_user("alice").groups == {"forecasters"}


def test_an_unknown_user_is_not_asserted(identity: ContainerIdentity, audit: MemoryAuditLog) -> None:
    with pytest.raises(AuthenticationFailed) as refused:
        identity.assert_user("bob")
    assert refused.value.code == "CF-SEC-011"
    assert [(event.action, event.outcome) for event in audit.events] == [("assert", Outcome.DENIED)]


def test_it_knows_the_subject_in_force(identity: ContainerIdentity) -> None:
    assert identity.current_subject() is None
    subject = identity.assert_user("alice")
    with open_scope(subject, realm="weather", container="w", origin="test"):
        assert identity.current_subject() is subject
