"""What is kept of a registry's answers: for how long, how many, and never a refusal or an outage."""

from __future__ import annotations

from collections.abc import Hashable

import pytest
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support_secrets import MARKER, shows_marker
from support_work import ManualClock

from connector.errors import AuthenticationFailed, Reason, RegistryUnavailable
from connector.security.answer_cache import AnswerCache
from connector.security.audit import MemoryAuditLog
from connector.security.identity import ContainerIdentity
from connector.security.registry_answers import RegistryAnswers
from connector.spi import Outcome, Secret

AWAY = Reason("CF-TEST-108", "the users are away", "")
RIGHT = Secret(MARKER)


class CountedRegistry:
    """Users in memory; counts what it is asked for."""

    realm = "weather"

    def __init__(self) -> None:
        self.members: dict[str, frozenset[str]] = {"alice": frozenset({"staff"}), "bob": frozenset()}
        self.passwords = {"alice": RIGHT, "bob": RIGHT}
        self.asked: list[str] = []
        self.away = False

    def _ask(self, what: str) -> None:
        self.asked.append(what)
        if self.away:
            raise AuthenticationFailed(AWAY)  # as registries of the contract's first form do

    def check_password(self, user: str, password: Secret) -> bool:
        self._ask(f"password {user}")
        return self.passwords.get(user) == password

    def user_exists(self, user: str) -> bool:
        self._ask(f"user {user}")
        return user in self.members

    def group_exists(self, group: str) -> bool:
        self._ask(f"group {group}")
        return any(group in groups for groups in self.members.values())

    def groups_of(self, user: str) -> frozenset[str]:
        self._ask(f"groups {user}")
        return self.members.get(user, frozenset())

    def unique_name(self, user: str) -> str:
        return user

    def users(self) -> list[str]:
        return sorted(self.members)

    def groups(self) -> list[str]:
        return sorted(frozenset().union(*self.members.values()))


class RememberingCounted(CountedRegistry):
    """One that keeps what it found itself."""

    def __init__(self) -> None:
        super().__init__()
        self.forgotten: list[str | None] = []

    def forget(self, user: str | None = None) -> None:
        self.forgotten.append(user)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def registry() -> CountedRegistry:
    return CountedRegistry()


def identity(
    registry: CountedRegistry, clock: ManualClock, *, groups: float | None = 60.0, credentials: float = 0.0
) -> ContainerIdentity:
    answers = RegistryAnswers(registry, group_cache=groups, credential_cache=credentials, clock=clock)
    return ContainerIdentity(answers, audit=MemoryAuditLog())


def test_a_thousand_messages_ask_the_registry_once(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock)
    for _ in range(1000):
        assert service.user_exists("alice")
        assert service.groups_of("alice") == {"staff"}
        assert service.assert_user("alice").groups == {"staff"}
        assert service.group_exists("staff")
    assert registry.asked == ["user alice", "groups alice", "group staff"]


def test_an_answer_ends_with_its_time(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock)
    service.groups_of("alice")
    registry.members["alice"] = frozenset({"auditors"})
    clock.now += 59.9
    assert service.groups_of("alice") == {"staff"}
    clock.now += 0.1
    assert service.groups_of("alice") == {"auditors"}


def test_groups_are_kept_for_two_minutes_unless_said_otherwise(registry: CountedRegistry, clock: ManualClock) -> None:
    assert identity(registry, clock, groups=None).kept_for == (120.0, 0.0)
    assert identity(registry, clock, groups=0.0).kept_for == (0.0, 0.0)


def test_nothing_is_kept_twice(clock: ManualClock) -> None:
    remembering = RememberingCounted()
    service = identity(remembering, clock, groups=60.0)
    assert (service.remembers, service.kept_for) == (True, (0.0, 0.0))
    for _ in range(2):
        service.groups_of("alice")
    assert remembering.asked == ["user alice", "groups alice"] * 2
    service.refresh("alice")
    service.refresh()
    assert remembering.forgotten == ["alice", None]


def test_a_no_is_not_kept(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock)
    assert not service.user_exists("carol")
    assert not service.group_exists("pilots")
    registry.members["carol"] = frozenset({"pilots"})
    assert service.user_exists("carol")
    assert service.group_exists("pilots")


def test_an_outage_is_not_kept_and_says_that_nobody_was_refused(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock, credentials=60.0)
    registry.away = True
    for ask in (
        lambda: service.user_exists("alice"),
        lambda: service.groups_of("alice"),
        lambda: service.group_exists("staff"),
        lambda: service.assert_user("alice"),
        lambda: service.authenticate("alice", RIGHT),
    ):
        with pytest.raises(RegistryUnavailable, match="CF-TEST-108") as away:
            ask()
        assert away.value.retryable
    registry.away = False
    assert service.authenticate("alice", RIGHT).groups == {"staff"}


def test_who_is_known_goes_on_being_known_while_the_registry_is_away(
    registry: CountedRegistry, clock: ManualClock
) -> None:
    service = identity(registry, clock)
    service.groups_of("alice")
    registry.away = True
    assert service.assert_user("alice").groups == {"staff"}


def test_by_default_each_login_asks_the_registry(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock)
    for _ in range(2):
        service.authenticate("alice", RIGHT)
    assert registry.asked.count("password alice") == 2


def test_an_accepted_password_is_kept_for_its_time(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock, credentials=30.0)
    for _ in range(3):
        service.authenticate("alice", RIGHT)
    assert registry.asked.count("password alice") == 1
    clock.now += 30
    service.authenticate("alice", RIGHT)
    assert registry.asked.count("password alice") == 2


def test_a_refused_password_is_asked_each_time_and_changes_nothing(
    registry: CountedRegistry, clock: ManualClock
) -> None:
    service = identity(registry, clock, credentials=30.0)
    service.authenticate("alice", RIGHT)
    before = len(registry.asked)
    for _ in range(2):
        with pytest.raises(AuthenticationFailed, match="CF-SEC-010"):
            service.authenticate("alice", Secret("wrong"))
    assert registry.asked[before:] == ["password alice"] * 2
    service.authenticate("alice", RIGHT)
    assert registry.asked[before:] == ["password alice"] * 2


def test_an_accepted_password_is_for_its_user_only(registry: CountedRegistry, clock: ManualClock) -> None:
    registry.passwords["bob"] = Secret("another")
    service = identity(registry, clock, credentials=30.0)
    service.authenticate("alice", RIGHT)
    with pytest.raises(AuthenticationFailed):
        service.authenticate("bob", RIGHT)


def test_of_one_who_was_removed_an_accepted_password_is_worth_nothing_once_that_is_known(
    registry: CountedRegistry, clock: ManualClock
) -> None:
    service = identity(registry, clock, groups=10.0, credentials=1000.0)
    service.authenticate("alice", RIGHT)
    del registry.members["alice"]
    clock.now += 10
    with pytest.raises(AuthenticationFailed, match="CF-SEC-010"):
        service.authenticate("alice", RIGHT)


def test_a_login_begins_with_the_groups_of_now(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock)
    service.groups_of("alice")
    registry.members["alice"] = frozenset({"auditors"})
    assert service.authenticate("alice", RIGHT).groups == {"auditors"}
    assert service.groups_of("alice") == {"auditors"}


def test_refreshing_one_user_keeps_the_others(registry: CountedRegistry, clock: ManualClock) -> None:
    service = identity(registry, clock, credentials=30.0)
    for user in ("alice", "bob"):
        service.authenticate(user, RIGHT)
    registry.passwords = dict.fromkeys(registry.passwords, Secret("new"))
    service.refresh("alice")
    with pytest.raises(AuthenticationFailed):
        service.authenticate("alice", RIGHT)
    service.authenticate("bob", RIGHT)
    service.refresh()
    with pytest.raises(AuthenticationFailed):
        service.authenticate("bob", RIGHT)


def test_no_password_is_in_what_is_kept(registry: CountedRegistry, clock: ManualClock) -> None:
    answers = RegistryAnswers(registry, credential_cache=30.0, clock=clock)
    assert answers.accepts("alice", RIGHT)
    assert not shows_marker(answers)
    assert not shows_marker(answers._accepted._kept)


def test_an_outage_at_a_login_is_audited_as_a_failure(registry: CountedRegistry, clock: ManualClock) -> None:
    registry.away = True
    audit = MemoryAuditLog()
    service = ContainerIdentity(RegistryAnswers(registry, clock=clock), audit=audit)
    with pytest.raises(RegistryUnavailable):
        service.authenticate("alice", RIGHT)
    with pytest.raises(RegistryUnavailable):
        service.assert_user("alice")
    assert [(event.action, event.outcome) for event in audit.events] == [
        ("login", Outcome.FAILURE),
        ("assert", Outcome.FAILURE),
    ]


# --- the cache itself ----------------------------------------------------------------------------------------------


def test_what_is_forgotten_while_it_is_asked_for_is_not_kept(clock: ManualClock) -> None:
    cache: AnswerCache[str] = AnswerCache(60.0, clock)

    def slow() -> str:
        cache.forget_one("alice")  # somebody changes alice while the registry answers
        return "old"

    assert cache.get("alice", slow) == "old"
    assert cache.get("alice", lambda: "new") == "new"


def test_the_answers_asked_for_longest_ago_go_first(clock: ManualClock) -> None:
    cache: AnswerCache[int] = AnswerCache(60.0, clock, limit=2)
    for number in range(3):
        cache.get(number, lambda number=number: number)  # type: ignore[misc]
    assert len(cache) == 2
    assert cache.get(0, lambda: 100) == 100
    assert cache.get(2, lambda: 100) == 2


KEYS = st.sampled_from(["a", "b", "c"])


class CacheMachine(RuleBasedStateMachine):
    """Against a world that changes: an answer is one that the world had within the last ten seconds, or is of now."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock()
        self.cache: AnswerCache[int] = AnswerCache(10.0, self.clock, limit=2)
        self.world: dict[Hashable, int] = {}
        # What each key has been, since when that may be answered no more.
        self.past: list[tuple[Hashable, int, float]] = []
        self.number = 0

    @rule(key=KEYS)
    def change(self, key: str) -> None:
        if key in self.world:
            self.past.append((key, self.world[key], self.clock.now + 10.0))
        self.number += 1
        self.world[key] = self.number

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        if key in self.world:
            self.past.append((key, self.world.pop(key), self.clock.now + 10.0))

    @rule(seconds=st.sampled_from([0.5, 4.0, 10.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule(key=KEYS)
    def forget_one(self, key: str) -> None:
        self.cache.forget_one(key)
        self.past = [one for one in self.past if one[0] != key]

    @rule()
    def forget(self) -> None:
        self.cache.forget()
        self.past.clear()

    @rule(key=KEYS)
    def ask(self, key: str) -> None:
        answer = self.cache.get(key, lambda: self.world.get(key))
        former = [value for who, value, ends in self.past if who == key and self.clock.now < ends]
        assert answer in [self.world.get(key), *former]

    @invariant()
    def it_is_bounded(self) -> None:
        assert len(self.cache) <= 2


TestCacheMachine = CacheMachine.TestCase
TestCacheMachine.settings = settings(
    deadline=None, max_examples=60, phases=[phase for phase in Phase if phase is not Phase.explain]
)
