"""A driver for message-driven handlers under test: without a container, a broker, configuration, or pytest (FLOW-8).

    with HandlerDriver(forecast, users={"alice": ["forecasters"]}, roles={"forecaster": ["forecasters"]}) as driver:
        delivered = driver.deliver({"location": "UK"}, user="alice")
    assert delivered.reply == {"weatherCondition": "Sunny"}

Roles, identity, replies, units of work, redelivery and the end of a message that fails are those of a real container:
the same endpoint calls the handler, and the provider in memory passes the same conformance kit as real ones. Delays are
not waited for; they are told.
"""

from __future__ import annotations

import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self, final

from connector.endpoint.declaration import HandlerDeclaration, declaration_of
from connector.endpoint.factory import HandlerEndpointFactory
from connector.errors import NameNotFound, Reason
from connector.security.audit import MemoryAuditLog
from connector.security.identity import ContainerIdentity
from connector.security.roles import RoleBinding, RoleMap
from connector.spi import (
    ActivationSpec,
    AuditEvent,
    AuthenticationData,
    Clock,
    IdentityService,
    Message,
    Ordering,
    RedeliveryPolicy,
    SystemClock,
    UserPrincipal,
    WorkManager,
)
from connector.testing.driver_units import DriverUnits
from connector.testing.memory import MemoryResourceAdapter
from connector.testing.no_aliases import no_alias
from connector.testing.people import PeopleRegistry
from connector.work.event_loop import EventLoopThread
from connector.work.manager import ContainerWorkManager

NOT_STUBBED = Reason(
    "CF-KIT-022",
    "the handler looked {name!r} up, for which the test gives nothing",
    "Give it to the driver: lookups={{{name!r}: …}}. Given: {known}.",
)
HANGS = Reason(
    "CF-KIT-023", "the handler {handler} did not end in {seconds} seconds", "It hangs; give the driver more `patience`."
)

REALM, QUEUE, REPLIES = "test", "messages", "replies"


@dataclass(frozen=True, slots=True)
class Delivered:
    """What has become of one message.

    Attributes:
        acknowledged: Whether a delivery succeeded, so that the message is gone for good.
        reply: The reply's body; None where there was none.
        reply_message: The whole reply, with who sent it; None where there was none.
        deliveries: How often it was delivered.
        reason: Why it was given up in the end, as a stable code; empty where it wasn't.
        errors: The cause of each failed delivery: what the handler raised.
        delays: Seconds that would have passed before each further delivery.
        units: How each unit of work ended, `committed` or `rolled back`; empty for a handler that is not transacted.
    """

    acknowledged: bool
    reply: Any
    reply_message: Message | None
    deliveries: int
    reason: str
    errors: tuple[BaseException, ...]
    delays: tuple[float, ...]
    units: tuple[str, ...]


@dataclass
class _DriverContext:
    """The bootstrap context of the provider in memory."""

    identity: IdentityService
    work_manager: WorkManager
    audit: MemoryAuditLog
    state_folder: Path
    clock: Clock
    container_name: str = "test"
    sections: Mapping[str, Any] = field(default_factory=dict)
    tls: Any = None
    transactions: Any = None
    authentication_data: Callable[[str], AuthenticationData] = no_alias


@final
class HandlerDriver:
    """Drives one handler; a context manager.

    Args:
        handler: A function marked by `@message_driven`, or a plain one of message and context.
        users: Each user with its groups. A user that is not named can send nothing; nobody needs none.
        roles: Each role of the application with the users and groups that are in it.
        lookups: What `context.lookup` answers, by name.
        transacted, roles_allowed, max_redeliveries: In place of what the mark says; the limit is 5 unless given.
        redelivery: The whole policy, in place of `max_redeliveries`.
        patience: Seconds within which a handler must end.

    Used by one thread at a time; the handler runs on another one, as it does in a container.
    """

    def __init__(
        self,
        handler: Callable[..., Any],
        *,
        users: Mapping[str, Iterable[str]] = MappingProxyType({}),
        roles: Mapping[str, Iterable[str]] = MappingProxyType({}),
        lookups: Mapping[str, Any] = MappingProxyType({}),
        transacted: bool | None = None,
        roles_allowed: Iterable[str] | None = None,
        max_redeliveries: int = 5,
        redelivery: RedeliveryPolicy | None = None,
        patience: float = 30.0,
    ) -> None:
        declared = declaration_of(handler) or HandlerDeclaration("messages", handler)
        self._handler = handler
        self._patience = patience
        self._lookups = dict(lookups)
        self._delays: list[float] = []
        self._errors: list[BaseException] = []
        self._units = DriverUnits()
        self.registry = PeopleRegistry(REALM, users)
        self.audit = MemoryAuditLog()
        identity = ContainerIdentity(self.registry, audit=self.audit)
        self._loop = EventLoopThread("driver-loop")
        self._works = ContainerWorkManager(identity, container="test", realm=REALM, loop=self._loop)
        self._folder = tempfile.TemporaryDirectory()
        self._adapter = _DrivenAdapter(self._later, self._errors.append)
        bound = {role: frozenset(names) for role, names in roles.items()}
        self._factory = HandlerEndpointFactory(
            "test",
            declared.activation,
            handler,
            roles_allowed=declared.roles_allowed if roles_allowed is None else roles_allowed,
            role_map=RoleMap({role: RoleBinding(users=names, groups=names) for role, names in bound.items()}, REALM),
            transacted=declared.transacted if transacted is None else transacted,
            ordering=Ordering.QUEUE,
            redelivery=redelivery or RedeliveryPolicy(max_redeliveries),
            lookup=self._lookup,
            loop=self._loop,
            audit=self.audit,
            realm=REALM,
            units=self._units,
        )
        self._spec = ActivationSpec("test/messages", {"queue": QUEUE})
        clock = SystemClock()
        folder = Path(self._folder.name)
        self._adapter.start(_DriverContext(identity, self._works.for_adapter("memory"), self.audit, folder, clock))

    def __enter__(self) -> Self:
        self._adapter.activate_endpoint(self._factory, self._spec)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End it; waits a little for a handler that hangs. Harmless when called twice."""
        self._adapter.deactivate_endpoint(self._factory, self._spec)
        self._factory.close()
        self._adapter.stop()
        self._works.shutdown(1.0)
        self._loop.close(1.0)
        self._folder.cleanup()

    def deliver(self, body: Any = None, *, user: str | None = None, reply: bool = True, **headers: Any) -> Delivered:
        """Send one message to the handler, and answer what has become of it, redeliveries included.

        Args:
            body: The body, or a whole Message.
            user: Who sends it; None for nobody.
            reply: Whether it asks for a reply.
            headers: Further attributes of the message: `properties`, `group`, `correlation_id`, …

        Blocks until the message is settled or given up. Raises TimeoutError where the handler hangs.
        """
        message = body if isinstance(body, Message) else Message(body)
        message = message.replace(**headers)
        if reply and message.reply_to is None:
            message = message.replace(reply_to=REPLIES)
        self._delays.clear()
        self._errors.clear()
        dead_before, units_before = len(self._adapter.dead_letters()), len(self._units.begun)
        deliveries_before = self._adapter.deliveries
        self._adapter.settled.clear()
        self._adapter.send(QUEUE, message, None if user is None else UserPrincipal(user, REALM))
        if not self._adapter.settled.wait(self._patience):
            text = HANGS.text.format(handler=self._factory.names["handler"], seconds=self._patience)
            raise TimeoutError(f"{HANGS.code}: {text}. {HANGS.action}")
        dead = self._adapter.dead_letters()[dead_before:]
        answered = self._adapter.take(message.reply_to or REPLIES)
        return Delivered(
            acknowledged=not dead,
            reply=answered.body if answered is not None else None,
            reply_message=answered,
            deliveries=self._adapter.deliveries - deliveries_before,
            reason=dead[0].reason if dead else "",
            errors=tuple(self._errors),
            delays=tuple(self._delays),
            units=tuple(unit.outcome for unit in self._units.begun[units_before:]),
        )

    @property
    def audited(self) -> tuple[AuditEvent, ...]:
        """What a container would have written to its audit log."""
        return self.audit.events

    def _lookup(self, name: str) -> Any:
        if name not in self._lookups:
            raise NameNotFound(NOT_STUBBED, name=name, known=", ".join(sorted(self._lookups)) or "nothing")
        return self._lookups[name]

    def _later(self, delay: float, action: Callable[[], None]) -> None:
        self._delays.append(delay)
        action()

    def __repr__(self) -> str:
        return f"<HandlerDriver of {self._factory.names['handler']}>"


@final
class _DrivenAdapter(MemoryResourceAdapter):
    """Tells of each delivery and of each settlement.

    Mutable besides: `deliveries`, by the one delivery that there is at a time; `settled`, set at the end of each.
    """

    def __init__(
        self, later: Callable[[float, Callable[[], None]], None], note: Callable[[BaseException], object]
    ) -> None:
        super().__init__(later)
        self._note = note
        self.deliveries = 0
        self.settled = threading.Event()

    def begin(self, subscription: Any, letter: Any) -> None:
        self.deliveries += 1
        super().begin(subscription, letter)

    def failed(self, delivery: Any, error: BaseException) -> None:
        self._note(error.__cause__ or error)
        super().failed(delivery, error)

    def settle(self, subscription: Any, letter: Any, reply: Any, replier: Any) -> None:
        super().settle(subscription, letter, reply, replier)
        self.settled.set()

    def take(self, queue: str) -> Message | None:
        """Take the first message off a queue that nobody consumes from."""
        with self._lock:
            letters = self._queues.get(queue, [])
            return letters.pop(0).message if letters else None
