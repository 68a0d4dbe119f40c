"""The policy in force: replaced while it is used, told to whoever holds something open, and its states (BUS-12)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from support_bus import FakeIdentity, MemoryAudit, running, weather_bus

from connector.errors import AccessDenied, AuthenticationFailed
from connector.spi import UNAUTHENTICATED, Subject, UserPrincipal
from connector_bus.engine.access import AccessControl
from connector_bus.engine.security_state import SecurityState
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import (
    ForeignAddress,
    PolicyDefinition,
    ResourceGrants,
    TopicGrants,
    TopicTree,
)
from connector_bus.policy.holders import Holder, HolderKind
from connector_bus.policy.roles import ResourceType, Role

ALICE = Subject.of_user("alice", "weather", ["clients"])
BOB = Subject.of_user("bob", "weather")


def policy(*senders: str, name: str = "q") -> CompiledPolicy:
    held = frozenset(Holder(HolderKind.USER, sender) for sender in senders)
    grants = ResourceGrants(roles={Role.SENDER: held}, inherits=False)
    return CompiledPolicy(PolicyDefinition("bus", "weather", resources={name: grants}))


def control(
    first: CompiledPolicy, identity: FakeIdentity | None = None, *, bus_security: bool = True
) -> tuple[AccessControl, MemoryAudit]:
    audit = MemoryAudit()
    return AccessControl(first, identity or FakeIdentity(), audit, bus_security=bus_security), audit


def refusal(access: AccessControl, subject: Subject, *asked: object) -> AccessDenied:
    with pytest.raises(AccessDenied) as caught:
        access.require(subject, *asked)  # type: ignore[arg-type]
    return caught.value


def test_a_replaced_policy_counts_for_the_next_decision() -> None:
    access, _ = control(policy("alice"))
    access.require(ALICE, Role.SENDER, "q")
    assert access.replace(policy("bob")) == 2
    assert refusal(access, ALICE, Role.SENDER, "q").code == "CF-BUS-020"
    access.require(BOB, Role.SENDER, "q")


def test_whoever_subscribed_is_told_after_the_change_and_not_after_leaving() -> None:
    access, _ = control(policy("alice"))
    seen: list[bool] = []
    leave = access.subscribe(lambda: seen.append(access.allows(ALICE, Role.SENDER, "q")))
    access.replace(policy())
    access.replace(policy("alice"))
    leave()
    leave()
    access.replace(policy())
    assert seen == [False, True]


def test_a_policy_that_says_the_same_tells_nobody_and_keeps_its_version() -> None:
    access, _ = control(policy("alice"))
    told: list[None] = []
    access.subscribe(lambda: told.append(None))
    assert access.replace(policy("alice")) == 1
    assert (access.version, told) == (1, [])


def test_a_listener_that_fails_is_logged_and_hinders_no_other(caplog: pytest.LogCaptureFixture) -> None:
    access, _ = control(policy("alice"))
    told: list[None] = []

    def failing() -> None:
        raise ValueError("full")

    access.subscribe(failing)
    access.subscribe(lambda: told.append(None))
    access.recheck()
    assert told == [None]
    assert "a listener failed on a change of the policy" in caplog.text


def test_decisions_of_other_threads_see_one_policy_or_the_other_and_never_a_mixture() -> None:
    one, other = policy("alice"), policy("bob")
    access, _ = control(one)
    mixed: list[tuple[bool, bool]] = []
    end = threading.Event()

    def ask() -> None:
        while not end.is_set():
            held = access.policy
            answers = (held.decide(ALICE, Role.SENDER, "q"), held.decide(BOB, Role.SENDER, "q"))
            if answers not in ((True, False), (False, True)):
                mixed.append(answers)

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(200):
        access.replace(other if number % 2 == 0 else one)
    end.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert access.version == 201


def test_assignments_by_name_outlive_their_destination_and_wait_for_it() -> None:
    access, _ = control(policy("alice"))
    access.replace(CompiledPolicy(PolicyDefinition("bus", "weather")))
    assert not access.allows(ALICE, Role.SENDER, "q")
    access.replace(policy("alice"))
    assert access.allows(ALICE, Role.SENDER, "q")


@pytest.mark.parametrize(
    ("bus_security", "admin_security", "state"),
    [(True, True, "enabled"), (False, True, "disabled"), (True, False, "inconsistent"), (False, False, "disabled")],
)
def test_the_two_switches_make_three_states_of_which_one_is_in_force(
    bus_security: bool, admin_security: bool, state: str
) -> None:
    identity = FakeIdentity(security_enabled=admin_security)
    access, _ = control(policy(), identity, bus_security=bus_security)
    assert (access.state, access.active) == (SecurityState(state), state == "enabled")
    if access.active:
        assert refusal(access, ALICE, Role.SENDER, "q").code == "CF-BUS-020"
    else:
        access.require(ALICE, Role.SENDER, "q")
        access.require(ALICE, Role.SENDER, "q", "topic")
        access.require_topic(ALICE, Role.SENDER, "q", "topic")
        access.require_prefix(ALICE, Role.CREATOR, "x")
        access.require_foreign(ALICE, "france", "x")
        assert access.allows_topic(ALICE, Role.SENDER, "q", "topic")
        assert access.identity_of(ALICE) == UNAUTHENTICATED


def wide() -> AccessControl:
    """A bus on which alice may do next to nothing, in all ways."""
    nobody: Mapping[Role, frozenset[Holder]] = {}
    alice = frozenset({Holder(HolderKind.USER, "alice")})
    tree = TopicTree({"closed": TopicGrants({}, frozenset())})
    resources = {
        "q": ResourceGrants(roles=nobody, inherits=False),
        "news": ResourceGrants(
            ResourceType.TOPIC_SPACE, {Role.SENDER: alice, Role.RECEIVER: alice}, inherits=False, topics=tree
        ),
        "far": ResourceGrants(ResourceType.FOREIGN_DESTINATION, foreign=ForeignAddress("france", "q")),
    }
    prefixes = {"X": ResourceGrants(ResourceType.TEMPORARY, inherits=False)}
    definition = PolicyDefinition("bus", "weather", resources=resources, temporary_prefixes=prefixes)
    return control(CompiledPolicy(definition))[0]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ((Role.CONNECTOR,), "CF-BUS-012"),
        ((Role.SENDER, "q"), "CF-BUS-020"),
        ((Role.RECEIVER, "q"), "CF-BUS-021"),
        ((Role.BROWSER, "q"), "CF-BUS-022"),
        ((Role.SENDER, "news", "closed"), "CF-BUS-120"),
        ((Role.RECEIVER, "news", "closed"), "CF-BUS-121"),
        ((Role.SENDER, "far"), "CF-BUS-020"),
        ((Role.RECEIVER, "far"), "CF-BUS-125"),
        ((Role.BROWSER, "far"), "CF-BUS-125"),
        ((Role.RECEIVER, "nothing", "closed"), "CF-BUS-021"),
    ],
)
def test_each_check_refuses_with_a_code_of_its_own_and_an_explanation(asked: tuple[object, ...], code: str) -> None:
    error = refusal(wide(), ALICE, *asked)
    assert error.code == code
    assert error.explanation.answer.startswith("denied: alice@weather")


def test_what_has_no_destination_is_refused_with_codes_of_its_own() -> None:
    access = wide()
    codes: list[str] = []
    asks: tuple[Callable[[], None], ...] = (
        lambda: access.require_topic(ALICE, Role.SENDER, "news", "closed"),
        lambda: access.require_prefix(ALICE, Role.CREATOR, "X"),
        lambda: access.require_prefix(ALICE, Role.SENDER, "X"),
        lambda: access.require_foreign(ALICE, "france", "q"),
    )
    for ask in asks:
        with pytest.raises(AccessDenied) as caught:
            ask()
        codes.append(caught.value.code)
    assert codes == ["CF-BUS-120", "CF-BUS-122", "CF-BUS-123", "CF-BUS-124"]


def test_a_refusal_is_in_the_audit_log_and_a_question_is_not() -> None:
    access, audit = control(policy())
    assert not access.allows(ALICE, Role.SENDER, "q")
    assert audit.events == []
    refusal(access, ALICE, Role.SENDER, "q")
    (event,) = audit.events
    assert (event.action, event.who, event.resource, event.reason) == (
        "bus.send",
        "alice@weather",
        "bus/q",
        "CF-BUS-020",
    )


def test_a_durable_subscription_goes_by_its_creator_as_the_registry_knows_it_now() -> None:
    clients = frozenset({Holder(HolderKind.GROUP, "clients")})
    space = ResourceGrants(ResourceType.TOPIC_SPACE, {Role.RECEIVER: clients}, inherits=False)
    identity = FakeIdentity()
    access, _ = control(CompiledPolicy(PolicyDefinition("bus", "weather", resources={"news": space})), identity)
    stored = UserPrincipal("alice", "weather")
    assert access.allows(access.subject_of(stored), Role.RECEIVER, "news", "sports")
    identity.users["alice"] = ("alice-pw", ())
    assert not access.allows(access.subject_of(stored), Role.RECEIVER, "news", "sports")
    del identity.users["alice"]
    with pytest.raises(AuthenticationFailed):
        access.subject_of(stored)


def test_a_stored_identity_of_a_foreign_realm_needs_no_registry() -> None:
    access, _ = control(policy())
    assert access.subject_of(UserPrincipal("zoe", "partners")).caller == UserPrincipal("zoe", "partners")


def test_a_changed_section_is_in_force_on_open_connections_without_connecting_again(tmp_path: Path) -> None:
    with running(tmp_path) as world:
        access, told = world.adapter._buses["weather"].access, list[int]()
        access.subscribe(lambda: told.append(access.version))
        connection = world.connect("alice")
        connection.send("uk", "before")
        wanted = weather_bus(
            destinations={"requests": {}, "uk": {"inherit_defaults": False}, "replies": {}},
            temporary_prefixes={"X": {"inherit_defaults": False}},
        )
        change = world.adapter.sections_changed({"buses": {"weather": wanted}})
        assert change is not None
        change.apply()
        with pytest.raises(AccessDenied) as caught:
            connection.send("uk", "after")
        assert caught.value.code == "CF-BUS-020"
        assert not access.policy.decide_prefix(ALICE, Role.CREATOR, "X")
        assert (told, change.restart) == ([2], ())
