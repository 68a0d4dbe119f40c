"""Fakes for the tests of the rooms work and endpoint."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from connector.errors import AuthenticationFailed, Reason, RegistryUnavailable
from connector.security.audit import MemoryAuditLog
from connector.security.inbound_map import InboundMap
from connector.security.scope import current_subject
from connector.spi import (
    CallbackHandler,
    CallerPrincipalCallback,
    Secret,
    SecurityContext,
    Subject,
    Work,
    WorkContext,
    WorkContextErrorCode,
    WorkEvent,
)
from connector.work.event_loop import EventLoopThread

NO = Reason("CF-TEST-100", "user or password is wrong", "")
AWAY = Reason("CF-TEST-107", "the registry is away", "")

#: The one password that the fake registry can't say anything about.
UNDECIDABLE = Secret("undecidable")

#: Must never be seen in any output.
MARKER = "marker-password-7f3a"
#: Seconds until a hanging test fails; never waited for when all is well.
PATIENCE = 10.0


class FakeIdentity:
    """An identity service over a dictionary: user → groups; everybody's password is the marker."""

    def __init__(
        self,
        users: Mapping[str, Iterable[str]],
        *,
        realm: str = "home",
        trusted: Iterable[str] = ("partners",),
        groups: Iterable[str] = (),
        maps: Iterable[InboundMap] = (),
        siblings: Iterable[FakeIdentity] = (),
    ) -> None:
        self.inbound_maps = {each.realm: each for each in maps}
        self.audit = MemoryAuditLog()
        self.siblings = {each.realm: each for each in siblings}
        self.away = False
        self._users = {user: frozenset(groups) for user, groups in users.items()}
        self._groups = frozenset(groups).union(*self._users.values()) if self._users else frozenset(groups)
        self._realm = realm
        self._trusted = frozenset(trusted)

    @property
    def realm(self) -> str:
        return self._realm

    @property
    def trusted_realms(self) -> frozenset[str]:
        return self._trusted

    @property
    def security_enabled(self) -> bool:
        return True

    @property
    def realms(self) -> tuple[str, ...]:
        return tuple(sorted({self._realm, *self.siblings}))

    def in_realm(self, realm: str) -> FakeIdentity | None:
        return self if realm == self._realm else self.siblings.get(realm)

    def authenticate(self, user: str, password: Secret) -> Subject:
        self._reached()
        if password == UNDECIDABLE:
            raise RegistryUnavailable(AWAY)
        if user not in self._users or password != Secret(MARKER):
            raise AuthenticationFailed(NO)
        return self.assert_user(user)

    def assert_user(self, user: str) -> Subject:
        return Subject.of_user(user, self._realm, self._users[user])

    def _reached(self) -> None:
        if self.away:
            raise RegistryUnavailable(AWAY)

    def user_exists(self, user: str) -> bool:
        self._reached()
        return user in self._users

    def group_exists(self, group: str) -> bool:
        return group in self._groups

    def unique_name(self, user: str) -> str:
        return user

    def groups_of(self, user: str) -> frozenset[str]:
        self._reached()
        return self._users.get(user, frozenset())

    def current_subject(self) -> Subject | None:
        return current_subject()


class ManualClock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


class Notices:
    """A work context's notices, remembered."""

    def __init__(self) -> None:
        self.complete = 0
        self.failed: list[WorkContextErrorCode] = []


class SaidContext(SecurityContext):
    """A security context that does what a function says."""

    def __init__(self, say: Callable[[CallbackHandler, Subject], Any]) -> None:
        self._say = say
        self.notices = Notices()

    def setup_security_context(
        self, handler: CallbackHandler, execution_subject: Subject, service_subject: Subject | None
    ) -> None:
        self._say(handler, execution_subject)

    def context_setup_complete(self) -> None:
        self.notices.complete += 1

    def context_setup_failed(self, error_code: WorkContextErrorCode) -> None:
        self.notices.failed.append(error_code)


class StrangeContext(WorkContext):
    """A context of a type that nobody supports."""

    def __init__(self) -> None:
        self.notices = Notices()

    def context_setup_failed(self, error_code: WorkContextErrorCode) -> None:
        self.notices.failed.append(error_code)


class Recorder:
    """A work listener that remembers."""

    def __init__(self) -> None:
        self.events: list[WorkEvent] = []

    def __call__(self, event: WorkEvent) -> None:
        self.events.append(event)

    @property
    def kinds(self) -> list[str]:
        return [event.kind.value for event in self.events]


IDENTITY = FakeIdentity({"alice": ["staff"]})


class Blocker(Work):
    """A work that runs until it is let go (or released)."""

    def __init__(self) -> None:
        self.started = threading.Event()
        self.go_on = threading.Event()
        self.released = False

    def run(self) -> str:
        self.started.set()
        assert self.go_on.wait(PATIENCE)
        return "done"

    def release(self) -> None:
        self.released = True
        self.go_on.set()


class HandTimer:
    """An event loop thread whose timers ring by hand."""

    def __init__(self, loop: EventLoopThread) -> None:
        self._loop = loop
        self.timers: list[Callable[[], object]] = []
        self.set = threading.Event()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loop, name)

    def call_later(self, seconds: float, function: Callable[[], object]) -> Callable[[], None]:
        self.timers.append(function)
        self.set.set()
        return lambda: self.timers.remove(function) if function in self.timers else None


def alice() -> SaidContext:
    """A security context that names alice."""
    return SaidContext(lambda handler, subject: handler.handle([CallerPrincipalCallback(subject, "alice")]))


def who() -> str:
    """Who is in force here."""
    return str((current_subject() or Subject()).caller)
