"""A small container around the bus adapter: fakes that do what the contracts say, and nothing sleeps."""

from __future__ import annotations

import heapq
import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from connector.errors import (
    AuthDataError,
    AuthenticationFailed,
    ConnectorError,
    HandleClosed,
    Reason,
    WorkCompletedWithError,
    WorkRejected,
)
from connector.spi import (
    UNAUTHENTICATED,
    ActivationSpec,
    AsyncLease,
    AuditEvent,
    AuthenticationData,
    CallbackHandler,
    CallerPrincipalCallback,
    ConnectionRequestInfo,
    Explanation,
    GroupPrincipal,
    GroupPrincipalCallback,
    IdentityAssertion,
    ManagedConnection,
    Message,
    Ordering,
    PasswordCredential,
    Principal,
    RedeliveryPolicy,
    Secret,
    SecurityContext,
    SignOnPlan,
    SignOnSource,
    Subject,
    TransactionParticipant,
    UserPrincipal,
    Work,
    WorkContext,
    WorkContextErrorCode,
    WorkErrorCode,
    WorkEvent,
    WorkEventKind,
    WorkLike,
    WorkListener,
)
from connector.transactions.service import Transactions
from connector_bus import BusConnection, BusResourceAdapter
from connector_bus.adapter.factory import BusManagedConnectionFactory

REALM = "weather"
WRONG_PASSWORD = Reason("CF-TESTBUS-001", "user {user} is unknown or the password is wrong", "")
CONTEXT_FAILED = Reason("CF-TESTBUS-002", "the context failed: {cause}", "")
HANDLE_CLOSED = Reason("CF-TESTBUS-003", "the handle is closed", "")
REJECTED = Reason("CF-TESTBUS-004", "no place", "")
ALIAS_UNKNOWN = Reason("CF-TESTBUS-005", "no alias {alias}", "")

#: user → (password, groups)
USERS: dict[str, tuple[str, tuple[str, ...]]] = {
    "alice": ("alice-pw", ("clients",)),
    "bob": ("bob-pw", ()),
    "carol": ("carol-pw", ("forecasters", "clients")),
    "server": ("server-pw", ("forecasters",)),
}

_CURRENT: ContextVar[Subject | None] = ContextVar("support_bus_subject", default=None)


class ManualClock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


class ManualAlarm:
    """Calls back when the clock is wound on."""

    def __init__(self, clock: Any) -> None:
        self._clock = clock
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def call_later(self, delay: float, callback: Callable[[], None]) -> None:
        heapq.heappush(self._due, (self._clock.now + delay, next(self._numbers), callback))

    def advance(self, seconds: float) -> None:
        self._clock.now += seconds
        while self._due and self._due[0][0] <= self._clock.now:
            heapq.heappop(self._due)[2]()

    def close(self) -> None:
        self._due.clear()


class FakeIdentity:
    realm = REALM
    trusted_realms: frozenset[str] = frozenset({"partners"})

    def __init__(self, *, security_enabled: bool = True) -> None:
        self.security_enabled = security_enabled
        self.users = dict(USERS)
        self.unique_names: dict[str, str] = {}
        self.unique_names_asked = 0

    def authenticate(self, user: str, password: Secret) -> Subject:
        if user not in self.users or password.reveal() != self.users[user][0]:
            raise AuthenticationFailed(WRONG_PASSWORD, user=user)
        return self.assert_user(user)

    def assert_user(self, user: str) -> Subject:
        if user not in self.users:
            raise AuthenticationFailed(WRONG_PASSWORD, user=user)
        return Subject.of_user(user, REALM, self.users[user][1])

    def user_exists(self, user: str) -> bool:
        return user in self.users

    def group_exists(self, group: str) -> bool:
        return any(group in groups for _, groups in self.users.values())

    def groups_of(self, user: str) -> frozenset[str]:
        return frozenset(self.users[user][1]) if user in self.users else frozenset()

    def unique_name(self, user: str) -> str:
        self.unique_names_asked += 1
        if user not in self.users:
            raise AuthenticationFailed(WRONG_PASSWORD, user=user)
        return self.unique_names.get(user, user)

    def current_subject(self) -> Subject | None:
        return _CURRENT.get()


class MemoryAudit:
    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


class FakeWorkManager:
    """Keeps works until `pump`, or runs each on a thread of its own; establishes the subject like the real one."""

    def __init__(self, identity: FakeIdentity, *, threaded: bool = False) -> None:
        self._identity = identity
        self._threaded = threaded
        self._works: deque[Callable[[], None]] = deque()
        self._threads: list[threading.Thread] = []
        self.reject = False

    def schedule_work(
        self,
        work: WorkLike,
        *,
        contexts: Sequence[WorkContext] = (),
        start_timeout: float = 0.0,
        listener: WorkListener | None = None,
    ) -> None:
        if self.reject:
            rejection = WorkRejected(REJECTED, error_code=WorkErrorCode.UNDEFINED)
            if listener is not None:
                listener(WorkEvent(WorkEventKind.REJECTED, work, rejection))
            raise rejection
        if not self._threaded:
            self._works.append(lambda: self._run(work, contexts, listener))
            return
        thread = threading.Thread(target=self._run, args=(work, contexts, listener))
        self._threads.append(thread)
        thread.start()

    def do_work(self, work: WorkLike, **options: Any) -> Any:
        raise NotImplementedError

    def start_work(self, work: WorkLike, **options: Any) -> float:
        raise NotImplementedError

    def is_context_supported(self, context_type: type[WorkContext]) -> bool:
        return context_type is SecurityContext

    def pump(self, limit: int = 1000) -> int:
        """Run what is waiting, and what comes of it; answers how many works that were."""
        for count in range(limit):
            if not self._works:
                return count
            self._works.popleft()()
        raise AssertionError("the works never come to an end")

    @property
    def waiting(self) -> int:
        return len(self._works)

    def join(self) -> None:
        for thread in list(self._threads):
            thread.join(10)

    def _run(self, work: WorkLike, contexts: Sequence[WorkContext], listener: WorkListener | None) -> None:
        subject, error = self._subject(contexts)
        if error is None:
            token = _CURRENT.set(subject)
            try:
                work.run() if isinstance(work, Work) else work()
            except Exception as raised:
                error = raised
            finally:
                _CURRENT.reset(token)
        if listener is not None:
            listener(WorkEvent(WorkEventKind.COMPLETED, work, error))

    def _subject(self, contexts: Sequence[WorkContext]) -> tuple[Subject | None, Exception | None]:
        if not contexts:
            return None, None
        (context,) = contexts
        assert isinstance(context, SecurityContext)
        handler = _InboundHandler(self._identity)
        try:
            context.setup_security_context(handler, Subject(), None)
            return handler.subject(), None
        except Exception as cause:
            failure = WorkCompletedWithError(
                CONTEXT_FAILED, error_code=WorkContextErrorCode.CONTEXT_SETUP_FAILED, cause=type(cause).__name__
            )
            failure.__cause__ = cause
            return None, failure


class _InboundHandler(CallbackHandler):
    def __init__(self, identity: FakeIdentity) -> None:
        self._identity = identity
        self._caller: Principal | None = None
        self._groups: tuple[str, ...] = ()

    def handle(self, callbacks: Sequence[Any]) -> None:
        for callback in callbacks:
            if isinstance(callback, CallerPrincipalCallback):
                name = callback.principal
                self._caller = UserPrincipal(name, REALM) if isinstance(name, str) else name
                if isinstance(self._caller, UserPrincipal) and self._caller.realm == REALM:
                    self._groups += tuple(self._identity.assert_user(self._caller.name).groups)
            elif isinstance(callback, GroupPrincipalCallback):
                self._groups += callback.groups

    def subject(self) -> Subject:
        groups = [GroupPrincipal(group, REALM) for group in self._groups]
        return Subject([self._caller or UNAUTHENTICATED, *groups], read_only=True)


@dataclass
class FakeContext:
    work_manager: FakeWorkManager
    identity: FakeIdentity
    state_folder: Path
    sections: Mapping[str, Any]
    audit: MemoryAudit
    clock: Any
    container_name: str = "weather"
    tls: Any = None  # no chains
    aliases: dict[str, AuthenticationData] = field(default_factory=dict)

    def authentication_data(self, alias: str) -> AuthenticationData:
        if alias not in self.aliases:
            raise AuthDataError(ALIAS_UNKNOWN, alias=alias)
        return self.aliases[alias]

    @cached_property
    def transactions(self) -> Transactions:
        return Transactions(self.container_name, self.state_folder / "transactions", self.clock)


class FakeEndpointFactory:
    """Delivers to a plain function."""

    def __init__(
        self,
        handler: Callable[[Message], Any],
        *,
        subject: Subject | None,
        transacted: bool = False,
        concurrency: int = 1,
        max_redeliveries: int = 0,
        redelivery_delay: float = 0.0,
        redelivery: RedeliveryPolicy | None = None,
        ordering: Ordering = Ordering.NONE,
        acting: Subject | None = None,
        on_lost: Callable[[ConnectorError], None] = lambda _error: None,
    ) -> None:
        self._on_lost = on_lost
        self.application = "uk-weather"
        self.activation = "jms/requests"
        self.realm = REALM
        self.transacted = transacted
        self.concurrency = concurrency
        self.redelivery = redelivery or RedeliveryPolicy(max_redeliveries, redelivery_delay)
        self.ordering = ordering
        self.losses: list[ConnectorError] = []
        self.released = 0
        self._handler = handler
        self._subject = subject
        self._acting = acting

    def create_endpoint(self, participant: TransactionParticipant | None = None) -> FakeEndpointFactory:
        return self

    def before_delivery(self) -> None: ...

    def after_delivery(self) -> None: ...

    def deliver(self, message: Message) -> Any:
        return self._handler(message)

    def release(self) -> None:
        self.released += 1

    def sign_on(self) -> Subject | None:
        return self._subject

    def run_as(self) -> Subject | None:
        return self._acting

    def lost(self, error: ConnectorError) -> None:
        self.losses.append(error)
        self._on_lost(error)


class FakeLease:
    def __init__(self, physical: ManagedConnection, plan: SignOnPlan) -> None:
        self._physical = physical
        self.plan = plan
        self.closed = False

    @property
    def physical(self) -> ManagedConnection:
        if self.closed:
            raise HandleClosed(HANDLE_CLOSED)
        return self._physical

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            self._physical.cleanup()

    def invalidate(self, cause: BaseException | None = None) -> None:
        self.closed = True
        self._physical.destroy()

    def __enter__(self) -> FakeLease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FakeManager:
    """Signs on as one user, asserting a caller if told to."""

    reference = resource = "jms/weather"

    def __init__(
        self,
        factory: BusManagedConnectionFactory,
        user: str | None = None,
        asserted: IdentityAssertion | None = None,
        password: str | None = None,
    ) -> None:
        self._factory = factory
        self._user = user
        self._asserted = asserted
        self._password = password

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> FakeLease:
        user, password = self._user, Secret(self._password or USERS.get(self._user or "", ("",))[0])
        if request is not None and request.user is not None:
            assert request.password is not None
            user, password = request.user, request.password
        physical = self._factory.create_managed_connection(credential(user, password, self._factory), request)
        if self._asserted is not None:
            physical.switch_identity(self._asserted)
        return FakeLease(physical, self.current_plan())

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        raise NotImplementedError

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        return SignOnPlan(
            reference=self.reference,
            resource=self.resource,
            source=SignOnSource.LOGIN_CONFIGURATION,
            rejected=(),
            subject=None,
            asserted=self._asserted,
            request=None,
            partition=self._user,
            sharing_key=self._asserted,
            version=0,
            user=self._user,
            explanation=self.explain(),
        )

    def explain(self, request: ConnectionRequestInfo | None = None, *, caller: Any = None) -> Explanation:
        return Explanation("sign-on", "fake")


def credential(user: str | None, password: Secret, factory: object = None) -> Subject:
    """A subject that holds one password credential, or an empty one."""
    held = [] if user is None else [PasswordCredential(user, password, factory)]
    return Subject((), held, read_only=True)


def signed_on(user: str | None) -> Subject | None:
    """What an activation's alias yields."""
    return None if user is None else credential(user, Secret(USERS[user][0]))


def weather_bus(**changes: Any) -> dict[str, Any]:
    """The settings of a bus with three queues, everybody authenticated connected."""
    bus: dict[str, Any] = {
        "security": True,
        "roles": {"connector": ["AllAuthenticated"]},
        "destinations": {"requests": {}, "uk": {}, "replies": {}},
    }
    bus.update(changes)
    return bus


@dataclass
class World:
    """One started adapter."""

    adapter: BusResourceAdapter
    context: FakeContext
    alarms: list[ManualAlarm] = field(default_factory=list)
    threaded: bool = False

    @property
    def works(self) -> FakeWorkManager:
        return self.context.work_manager

    @property
    def identity(self) -> FakeIdentity:
        return self.context.identity

    @property
    def audit(self) -> MemoryAudit:
        return self.context.audit

    def advance(self, seconds: float) -> None:
        self.alarms[0].advance(seconds)

    def factory(self, bus: str = "weather") -> BusManagedConnectionFactory:
        return self.adapter.create_managed_connection_factory("jms/weather", {"bus": bus})

    def connect(self, user: str | None = None, *, bus: str = "weather", asserting: str | None = None) -> BusConnection:
        factory = self.factory(bus)
        assertion = None if asserting is None else IdentityAssertion(asserting, REALM, factory=factory)
        return factory.create_connection_factory(FakeManager(factory, user, assertion)).get_connection()

    def activate(
        self,
        handler: Callable[[Message], Any],
        destination: str = "requests",
        *,
        user: str | None = "server",
        selector: str | None = None,
        properties: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> Callable[[], None]:
        """Activate a handler; answers what ends the activation."""
        factory = FakeEndpointFactory(handler, subject=signed_on(user), **options)
        selection = {} if selector is None else {"selector": selector}
        spec = ActivationSpec(
            "jms/requests", {"bus": "weather", "destination": destination, **selection, **(properties or {})}
        )
        self.adapter.activate_endpoint(factory, spec)
        return lambda: self.adapter.deactivate_endpoint(factory, spec)

    def exceptions(self) -> list[Message]:
        """What stands in the exception destination."""
        return self.peek("_SYSTEM.Exception.Destination.weather")

    def peek(self, destination: str) -> list[Message]:
        """What could be received there, without any check."""
        engine = self.adapter._buses["weather"].engine
        return list(engine.peek(engine.destinations.get(destination)))

    def stop(self) -> None:
        self.adapter.stop()
        self.works.join()


def start_world(
    folder: Path,
    buses: Mapping[str, Any] | None = None,
    *,
    threaded: bool = False,
    admin_security: bool = True,
    container: str = "weather",
    aliases: Mapping[str, tuple[str, str]] = MappingProxyType({}),
    tls: Any = None,
    chains: Mapping[str, Any] | None = None,
    identity: FakeIdentity | None = None,
) -> World:
    """Start an adapter in a folder; `stop` it in the end. `aliases` are users and passwords."""
    identity = identity or FakeIdentity(security_enabled=admin_security)
    works = FakeWorkManager(identity, threaded=threaded)
    sections = {"buses": {"weather": weather_bus()} if buses is None else buses, "chains": chains or {}}
    context = FakeContext(works, identity, folder, sections, MemoryAudit(), ManualClock(), container, tls)
    for alias, (user, password) in aliases.items():
        context.aliases[alias] = AuthenticationData(alias, user, Secret(password))
    alarms: list[ManualAlarm] = []

    def make_alarm(clock: Any) -> ManualAlarm:
        alarms.append(ManualAlarm(clock))
        return alarms[-1]

    adapter = BusResourceAdapter(make_alarm)
    adapter.start(context)
    return World(adapter, context, alarms, threaded)


@contextmanager
def running(folder: Path, buses: Mapping[str, Any] | None = None, **options: Any) -> Iterator[World]:
    """A started adapter for a `with` block."""
    world = start_world(folder, buses, **options)
    try:
        yield world
    finally:
        world.stop()
