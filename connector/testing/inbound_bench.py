"""One test's bench for an inbound adapter: started in a small but real container, and taken down at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from connector.container.delivery_units import DeliveryUnits
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.tls_service import ContainerTls
from connector.endpoint.factory import HandlerEndpointFactory
from connector.endpoint.message_context import MessageContext
from connector.endpoint.run_as import RunAs
from connector.errors import DeliveryError, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.identity import ContainerIdentity
from connector.security.roles import RoleBinding, RoleMap
from connector.spi import (
    ActivationSpec,
    AuditLog,
    AuthenticationData,
    Clock,
    IdentityService,
    Message,
    PasswordCredential,
    Subject,
    SystemClock,
    TlsService,
    TransactionService,
    UserPrincipal,
    WorkManager,
)
from connector.testing.backend import REALM, Login
from connector.testing.declared import checked_activation, checked_sections
from connector.testing.inbound_backend import InboundBackend
from connector.testing.no_aliases import no_alias
from connector.testing.people import PeopleRegistry
from connector.testing.subject_under_test import Claims
from connector.transactions.service import Transactions
from connector.work.event_loop import EventLoopThread
from connector.work.manager import ContainerWorkManager

#: Seconds within which what must not happen would have happened.
QUIET = 0.2
#: The role that the first sender is in, and no other.
ROLE = "first"

ASKED = Reason("CF-KIT-030", "the handler fails, as the kit asked it to", "")

Behaviour = Callable[[Message, MessageContext], Any]


@dataclass(frozen=True, slots=True)
class InboundContext:
    """The bootstrap context of one adapter; see `connector.spi.BootstrapContext`."""

    work_manager: WorkManager
    identity: IdentityService
    state_folder: Path
    sections: Mapping[str, Any]
    audit: AuditLog
    clock: Clock
    tls: TlsService
    transactions: TransactionService
    container_name: str = "kit"
    authentication_data: Callable[[str], AuthenticationData] = no_alias


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a handler.

    Attributes:
        body: The message's body.
        message: The message.
        caller: Who the caller was.
        failures: How many deliveries had failed before.
        at: Seconds on the clock, when it began.
    """

    body: Any
    message: Message
    caller: str
    failures: int
    at: float


@final
class RecordingHandler:
    """A handler that writes down who called it with what, and then does as it is told.

    Args:
        behaviour: What it does; answers the reply.
        clock: Tells when.
        patience: Seconds that are waited for a call.

    Mutable state, changed under `_lock`: `calls`, `_running`, `most`.
    """

    def __init__(self, behaviour: Behaviour, clock: Clock, patience: float) -> None:
        self._behaviour = behaviour
        self._patience = patience
        self._clock = clock
        self._lock = threading.Condition()
        self._running = 0
        self.calls: list[Call] = []
        self.most = 0  # that ran at once

    def __call__(self, message: Message, context: MessageContext) -> Any:
        """Called by the endpoint."""
        caller = str(context.caller_principal)
        call = Call(message.body, message, caller, context.delivery_count, self._clock.monotonic())
        with self._lock:
            self.calls.append(call)
            self._running += 1
            self.most = max(self.most, self._running)
            self._lock.notify_all()
        try:
            return self._behaviour(message, context)
        finally:
            with self._lock:
                self._running -= 1
                self._lock.notify_all()

    @property
    def bodies(self) -> list[Any]:
        """The bodies that it was called with, in order."""
        with self._lock:
            return [call.body for call in self.calls]

    def wait_for(self, count: int, timeout: float | None = None) -> bool:
        """Wait for so many calls; answers whether they came."""
        with self._lock:
            return self._lock.wait_for(lambda: len(self.calls) >= count, timeout or self._patience)

    def wait_until_idle(self) -> bool:
        """Wait until none of its calls is under way."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._running, self._patience)


@dataclass
class Activated:
    """A handler that is activated."""

    handler: RecordingHandler
    factory: HandlerEndpointFactory
    spec: ActivationSpec
    ended: bool = field(default=False)


@final
class InboundBench:
    """A started adapter with a real work manager, identity service, endpoints and transactions.

    Args:
        backend: The source.
        descriptor: What the adapter declares.
        claims: What of it applies.
        folder: An empty folder.

    Used on the test's own thread; what is made on it is taken down by `close`.
    """

    def __init__(self, backend: InboundBackend, descriptor: AdapterDescriptor, claims: Claims, folder: Path) -> None:
        self.backend = backend
        self.claims = claims
        self.patience = backend.patience
        self.audit = MemoryAuditLog()
        self.clock: Clock = SystemClock()
        self._descriptor = descriptor
        self._folder = folder
        self._stack = ExitStack()
        self.people = _people(backend)
        self.identity = ContainerIdentity(self.people, audit=self.audit)
        self.transactions = Transactions("kit", folder / "transactions", self.clock)
        self._stack.callback(self.transactions.close)
        self._loop = EventLoopThread("kit-loop")
        self._stack.callback(self._loop.close, self.patience)
        self._works = ContainerWorkManager(self.identity, container="kit", realm=REALM, loop=self._loop)
        self._stack.callback(self._works.shutdown, self.patience)
        self.adapter = backend.adapter()
        state = folder / "state"
        state.mkdir()
        context = InboundContext(
            self._works.for_adapter(descriptor.name),
            self.identity,
            state,
            checked_sections(descriptor, backend.sections, folder),
            self.audit,
            self.clock,
            ContainerTls({}),
            self.transactions,
        )
        try:
            self.adapter.start(context)
        except BaseException:
            self.close()
            raise
        self._stack.callback(self.adapter.stop)

    @property
    def first(self) -> Login:
        """The sender who is in the role."""
        return self.backend.senders[0]

    @property
    def second(self) -> Login:
        """Another one."""
        return self.backend.senders[1]

    def activate(
        self, behaviour: Behaviour = lambda *_: None, *, consumer: Login | None = None, **settings: Any
    ) -> Activated:
        """Activate a handler; raises what the adapter raises.

        Args:
            behaviour: What the handler does.
            consumer: Who the activation signs on as; by default the backend's.
            settings: Of the endpoint factory; `run_as` a subject.
        """
        handler = RecordingHandler(behaviour, self.clock, self.patience)
        properties = checked_activation(self._descriptor, self.backend.properties, self._folder)
        spec = ActivationSpec("kit/activation", properties)
        signed_on = consumer or self.backend.consumer
        run_as: Subject | None = settings.pop("run_as", None)
        acting = None if run_as is None else RunAs(lambda: run_as, realm=REALM, container="kit", origin="run-as")
        factory = HandlerEndpointFactory(
            "kit",
            "activation",
            handler,
            role_map=RoleMap({ROLE: RoleBinding(users=frozenset({self.first.user}))}, REALM),
            lookup=str,
            loop=self._loop,
            audit=self.audit,
            realm=REALM,
            units=DeliveryUnits(self.transactions),
            acting=acting,
            sign_on=lambda: _subject_of(signed_on, spec),
            **settings,
        )
        self.adapter.activate_endpoint(factory, spec)
        activated = Activated(handler, factory, spec)
        self._stack.callback(self._end, activated)
        return activated

    def deactivate(self, activated: Activated) -> None:
        """End it as the container does."""
        activated.ended = True
        self.adapter.deactivate_endpoint(activated.factory, activated.spec)

    def activate_again(self, activated: Activated) -> None:
        """Begin it again as the container does after a pause: the same factory and specification."""
        activated.ended = False
        self.adapter.activate_endpoint(activated.factory, activated.spec)

    def send(self, *bodies: Any, sender: Login | None = None, **headers: Any) -> None:
        """Send messages as the first sender, or as another."""
        for body in bodies:
            self.backend.send(self.adapter, Message(body, **headers), sender or self.first)

    def at_rest(self) -> list[Any]:
        """What is not settled."""
        return self.backend.at_rest(self.adapter)

    def settles(self) -> bool:
        """Wait until nothing is at rest; answers whether that came about."""
        return self.comes_about(lambda: not self.at_rest())

    def comes_about(self, condition: Callable[[], bool]) -> bool:
        """Look again and again until a condition holds that nobody tells of; answers whether it came about."""
        pause, end = threading.Event(), self.clock.monotonic() + self.patience
        while not condition():
            if self.clock.monotonic() > end:
                return False
            pause.wait(0.01)
        return True

    def close(self) -> None:
        """Take everything down."""
        self._stack.close()

    def _end(self, activated: Activated) -> None:
        if not activated.ended:
            self.deactivate(activated)


def failing(_message: Message, _context: MessageContext) -> None:
    """A behaviour: the handler fails."""
    raise DeliveryError(ASKED)


def _people(backend: InboundBackend) -> PeopleRegistry:
    logins = [*backend.senders, *((backend.consumer,) if backend.consumer is not None else ())]
    if len({login.user for login in backend.senders}) < 2:
        raise ValueError("the backend must give two senders")
    passwords = {login.user: login.password for login in logins}
    return PeopleRegistry(REALM, dict.fromkeys(passwords, ()), passwords)


def _subject_of(login: Login | None, spec: ActivationSpec) -> Subject | None:
    if login is None:
        return None
    credential = PasswordCredential(login.user, login.password, spec)
    return Subject([UserPrincipal(login.user, REALM)], [credential], read_only=True)
