"""What the pool's tests share: an adapter without a wire that remembers everything, plans, a clock that stands."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from support_secrets import MARKER

from connector.pool import ManagedConnectionPool, PoolSettings
from connector.spi import (
    Capability,
    ConnectionDescription,
    ConnectionManager,
    ConnectionRequestInfo,
    Explanation,
    IdentityAssertion,
    ManagedConnection,
    ManagedConnectionFactory,
    PasswordCredential,
    Secret,
    SignOnPlan,
    SignOnSource,
    Subject,
)


class FakeClock:
    """Time that moves when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now


def user_of(factory: FakeFactory | None, subject: Subject | None) -> str | None:
    """Whom a subject signs on as."""
    credential = subject.password_credential(factory) if subject is not None and factory is not None else None
    return credential.user if credential is not None else None


class FakeConnection(ManagedConnection):
    """Knows as whom it is signed on and acts, and counts what is done to it."""

    def __init__(self, user: str | None) -> None:
        self.user = user
        self.acting = user
        self.factory: FakeFactory | None = None
        self.cleaned = 0
        self.destroyed = 0
        self.validated = 0
        self.on_validate: Callable[[], object] = lambda: True
        self.on_reauthenticate: Callable[[], object] = lambda: None
        self.on_cleanup: Callable[[], object] = lambda: None
        self.on_switch: Callable[[], object] = lambda: None
        self.on_destroy: Callable[[], object] = lambda: None

    def cleanup(self) -> None:
        self.on_cleanup()
        self.cleaned += 1
        self.acting = self.user

    def destroy(self) -> None:
        self.destroyed += 1
        self.on_destroy()

    def describe(self) -> ConnectionDescription:
        return ConnectionDescription("fake", "1", self.acting)

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        self.on_switch()
        self.acting = asserted.user

    def validate(self) -> bool:
        self.validated += 1
        return bool(self.on_validate())

    def reauthenticate(self, subject: Subject | None, request: ConnectionRequestInfo | None) -> None:
        self.on_reauthenticate()
        self.user = self.acting = user_of(self.factory, subject)


class FakeFactory(ManagedConnectionFactory):
    """Opens fake connections; `on_create` may raise, or wait for something; `most` is the most there ever were."""

    def __init__(self) -> None:
        self.made: list[FakeConnection] = []
        self.on_create: Callable[[], object] = lambda: None
        self.on_made: Callable[[FakeConnection], object] = lambda connection: None
        self.on_match: Callable[[tuple[Any, ...]], Any] = lambda candidates: candidates[-1]
        self.most = 0
        self._lock = threading.Lock()

    def create_connection_factory(self, manager: ConnectionManager) -> ConnectionManager:
        return manager

    def create_managed_connection(
        self, subject: Subject | None, request: ConnectionRequestInfo | None
    ) -> FakeConnection:
        self.on_create()
        made = FakeConnection(user_of(self, subject))
        made.factory = self
        self.on_made(made)
        with self._lock:
            self.made.append(made)
            self.most = max(self.most, self.living)
        return made

    def match(self, candidates: tuple[Any, ...], subject: Subject | None, request: ConnectionRequestInfo | None) -> Any:
        return self.on_match(candidates)

    @property
    def living(self) -> int:
        return sum(not made.destroyed for made in self.made)

    def plan(self, user: str, *, version: int = 1, asserted: str | None = None, reference: str = "ref") -> SignOnPlan:
        """A plan as sign-on would make it: `user` by the alias of the same name, `asserted` on top."""
        credential = PasswordCredential(user, Secret(MARKER), self, alias=f"{user}-alias", version=version)
        subject = Subject(credentials=[credential]).set_read_only()
        partition = (credential.key(), ())
        assertion = IdentityAssertion(asserted, "realm", factory=self) if asserted is not None else None
        return SignOnPlan(
            reference=reference,
            resource="eis/fake",
            source=SignOnSource.LOGIN_CONFIGURATION,
            rejected=(),
            subject=subject,
            asserted=assertion,
            request=None,
            partition=partition,
            sharing_key=(asserted or user, partition),
            version=version,
            user=user,
            explanation=Explanation("who", user),
        )


class PoolBench:
    """A pool with its factory and clock, and a helper for a second thread."""

    def __init__(
        self,
        max_size: int = 2,
        *,
        connection_timeout: float = 30.0,
        capabilities: frozenset[Capability] = frozenset({Capability.IDENTITY_SWITCH}),
        **settings: Any,
    ) -> None:
        self.clock = FakeClock()
        self.factory = FakeFactory()
        self.pool = ManagedConnectionPool(
            "eis/fake",
            self.factory,
            PoolSettings(max_size, connection_timeout=connection_timeout, **settings),
            capabilities=capabilities,
            clock=self.clock,
            jitter=lambda: 0.5,
        )
        self.alice = self.factory.plan("alice")
        self.bob = self.factory.plan("bob")
        self.carol = self.factory.plan("carol")

    def settled(self) -> bool:
        """Whether the pool's figures agree with what really lives, and no place is lost."""
        now = self.pool.statistics()
        return (
            now.changing == 0
            and now.size == now.created - now.destroyed == self.factory.living
            and now.size == now.free + now.in_use
            and self.factory.most <= now.max_size
            and all(made.destroyed <= 1 for made in self.factory.made)
        )


class InThread:
    """Runs a function on another thread; `result` waits for it and raises what it raised."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._outcome: list[object] = []
        self._error: list[BaseException] = []

        def run() -> None:
            try:
                self._outcome.append(function())
            except BaseException as error:
                self._error.append(error)

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()

    def result(self) -> object:
        self._thread.join(timeout=20)
        assert not self._thread.is_alive(), "the other thread hangs"
        if self._error:
            raise self._error[0]
        return self._outcome[0]


def until(condition: Callable[[], object]) -> None:
    """Let other threads run until something holds; a test that depends on it fails after 20 seconds."""
    give_up = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0)
