"""Who gets onto a bus, one code for each refusal, and asserted callers (CHAIN-5, CHAIN-6, TRUST-1, BUS-4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bus import REALM, USERS, FakeManager, credential, running, weather_bus

from connector.errors import AccessDenied, LoginRefused, SignOnError
from connector.spi import IdentityAssertion, Outcome, Secret, Subject
from connector_bus.adapter.managed import BusManagedConnection


def test_no_user_is_refused_and_the_text_says_what_to_give(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(SignOnError, match=r"weather.*alias") as caught:
        world.connect()
    assert caught.value.code == "CF-BUS-010"


def test_a_null_subject_is_nobody(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(SignOnError, match="CF-BUS-010"):
        world.factory().create_managed_connection(None, None)


@pytest.mark.parametrize("user", ["alice", "mallory"])
def test_a_wrong_password_and_an_unknown_user_are_refused_with_one_code(tmp_path: Path, user: str) -> None:
    with running(tmp_path) as world:
        factory = world.factory()
        manager = FakeManager(factory, user, password="MARKER-wrong")
        with pytest.raises(LoginRefused) as caught:
            factory.create_connection_factory(manager).get_connection()
    assert caught.value.code == "CF-BUS-011"
    assert "MARKER" not in str(caught.value)


def test_a_user_outside_the_connector_role_is_refused_with_the_explanation(tmp_path: Path) -> None:
    bus = weather_bus(roles={"connector": ["group:clients"]})
    with running(tmp_path, {"weather": bus}) as world:
        world.connect("alice").close()
        with pytest.raises(AccessDenied) as caught:
            world.connect("bob")
        assert caught.value.code == "CF-BUS-012"
        assert "bob@weather does not hold the connector role" in caught.value.explanation.answer
        denials = [event for event in world.audit.events if event.outcome is Outcome.DENIED]
        assert [(event.action, event.who, event.reason) for event in denials] == [
            ("bus.connect", "bob@weather", "CF-BUS-012")
        ]


def test_everyone_in_the_connector_role_lets_nobody_in_as_nobody(tmp_path: Path) -> None:
    bus = weather_bus(roles={"connector": ["Everyone"]}, default_roles={"sender": ["Everyone"]})
    with running(tmp_path, {"weather": bus}) as world:
        world.connect().send("uk", "x")
        assert [str(message.identity) for message in world.peek("uk")] == ["unauthenticated"]


def test_another_factory_s_credential_is_not_used(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        ours, other = world.factory(), world.factory()
        with pytest.raises(SignOnError, match="CF-BUS-010"):
            ours.create_managed_connection(credential("alice", Secret(USERS["alice"][0]), other), None)


def test_user_and_password_of_the_call_reach_the_sign_on(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        factory = world.factory()
        connections = factory.create_connection_factory(FakeManager(factory))
        connections.get_connection("alice", USERS["alice"][0]).send("uk", "x")
        assert [str(message.identity) for message in world.peek("uk")] == ["alice@weather"]


@pytest.mark.parametrize(("security", "admin_security"), [(False, True), (True, False)])
def test_without_security_everybody_gets_in_and_no_name_is_believed(
    tmp_path: Path, security: bool, admin_security: bool
) -> None:
    buses = {"weather": weather_bus(security=security, roles={"connector": []})}
    with running(tmp_path, buses, admin_security=admin_security) as world:
        world.connect("alice").send("uk", "x")
        assert [str(message.identity) for message in world.peek("uk")] == ["unauthenticated"]


def trusting(**changes: object) -> dict[str, dict[str, object]]:
    return {"weather": weather_bus(identity_assertion=["user:server"], **changes)}


def test_a_trusted_user_asserts_a_caller_whose_name_and_roles_then_count(tmp_path: Path) -> None:
    buses = trusting(destinations={"uk": {"inherit_defaults": False, "roles": {"sender": ["user:alice"]}}})
    with running(tmp_path, buses) as world:
        world.connect("server", asserting="alice").send("uk", "x")
        assert [str(message.identity) for message in world.peek("uk")] == ["alice@weather"]
        with pytest.raises(AccessDenied, match="CF-BUS-020"):
            world.connect("server").send("uk", "x")


def test_returning_the_connection_takes_the_asserted_identity_back(tmp_path: Path) -> None:
    with running(tmp_path, trusting()) as world:
        factory = world.factory()
        physical = FakeManager(factory, "server").allocate().physical
        assert isinstance(physical, BusManagedConnection)
        physical.switch_identity(IdentityAssertion("alice", "weather"))
        assert physical.describe().user == "alice"
        physical.cleanup()
        assert physical.describe().user == "server"


def test_a_user_that_is_not_trusted_can_t_assert_anybody(tmp_path: Path) -> None:
    with running(tmp_path, trusting()) as world, pytest.raises(AccessDenied, match="CF-BUS-013"):
        world.connect("bob", asserting="alice")


@pytest.mark.parametrize(
    ("user", "realm", "code"),
    [("mallory", "weather", "CF-BUS-014"), ("alice", "partners", "CF-BUS-015"), ("bob", "weather", "CF-BUS-012")],
)
def test_an_assertion_of_somebody_unfit_is_refused_and_leaves_the_identity(
    tmp_path: Path, user: str, realm: str, code: str
) -> None:
    buses = trusting(roles={"connector": ["user:server", "user:alice"]})
    with running(tmp_path, buses) as world:
        physical = FakeManager(world.factory(), "server").allocate().physical
        assert isinstance(physical, BusManagedConnection)
        with pytest.raises(AccessDenied) as caught:
            physical.switch_identity(IdentityAssertion(user, realm))
        assert caught.value.code == code
        assert physical.describe().user == "server"


@pytest.mark.parametrize(("user", "code"), [(None, "CF-BUS-010"), ("bob", "CF-BUS-012"), ("carol", "CF-BUS-021")])
def test_an_activation_that_may_not_consume_fails_at_once(tmp_path: Path, user: str | None, code: str) -> None:
    bus = weather_bus(
        roles={"connector": ["group:forecasters"]},
        destinations={"requests": {"inherit_defaults": False, "roles": {"receiver": ["user:server"]}}},
    )
    with running(tmp_path, {"weather": bus}) as world:
        with pytest.raises((SignOnError, AccessDenied)) as caught:
            world.activate(lambda message: None, user=user)
        assert caught.value.code == code
        world.activate(lambda message: None, user="server")


def test_a_connection_s_repr_shows_whom_it_acts_for_and_no_secret(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        physical = FakeManager(world.factory(), "alice").allocate().physical
        assert repr(physical) == "<BusManagedConnection to weather for alice@weather>"
        assert physical.validate()
        physical.destroy()
        physical.destroy()
        assert not physical.validate()


def test_an_empty_subject_is_nobody_too(tmp_path: Path) -> None:
    with running(tmp_path) as world, pytest.raises(SignOnError, match="CF-BUS-010"):
        world.factory().create_managed_connection(Subject(read_only=True), None)


@pytest.mark.parametrize("written", ["table", "names"])
def test_only_the_user_with_the_unique_name_asserts_others(tmp_path: Path, written: str) -> None:
    """Somebody who is given the name of a service later is not trusted with every caller."""
    changes: dict[str, Any] = {"identity_assertion": [{"user": "server", "unique_name": "id-1"}]}
    if written == "names":
        changes = {"identity_assertion": ["user:server"], "unique_names": {"user:server": "id-1"}}
    with running(tmp_path, {"weather": weather_bus(**changes)}) as world:
        sign_on = world.adapter._buses["weather"].sign_on
        assertion = IdentityAssertion("alice", REALM)
        world.identity.unique_names["server"] = "id-1"
        assert sign_on.asserted(world.identity.assert_user("server"), assertion).caller is not None
        world.identity.unique_names["server"] = "id-2"
        sign_on._access.recheck()
        with pytest.raises(AccessDenied) as refused:
            sign_on.asserted(world.identity.assert_user("server"), assertion)
    assert refused.value.code == "CF-BUS-013"
