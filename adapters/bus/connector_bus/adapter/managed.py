"""The managed connection: who is signed on, whom it acts for now, and its reply queues."""

from __future__ import annotations

import contextlib
import importlib.metadata
import itertools
from collections.abc import Callable
from typing import final

from connector.errors import AccessDenied, Reason, SecurityError
from connector.spi import (
    UNAUTHENTICATED,
    ConnectionDescription,
    IdentityAssertion,
    ManagedConnection,
    Subject,
    UserPrincipal,
    identity_outage,
)
from connector_bus.adapter.bus import Bus
from connector_bus.engine.engine import new_connection_id
from connector_bus.engine.subscription import OpenSubscription
from connector_bus.engine.terms import Terms
from connector_bus.policy.roles import Role
from connector_bus.settings import REPLY_PREFIX, TEMPORARY_PREFIX

USER_GONE = Reason(
    "CF-BUS-064",
    "{user} may no longer use its connection to bus {bus}: {cause}",
    "Sign on as a user that the realm knows.",
)
USER_REPLACED = Reason(
    "CF-BUS-490",
    "{user} is another user of that name than the one who signed on to bus {bus}",
    "Sign on anew, as the user who has the name now.",
)


@final
class BusManagedConnection(ManagedConnection):
    """One connection to a bus in this process; used by one thread at a time, as the pool promises.

    Attributes:
        bus: The bus.

    Mutable state: `_subject`, changed by `switch_identity`, `cleanup` and by what has become of the users, as is
    `_system`; `_seen`, which changes of rights both are known to have outlived; `_reply_queues`, `_temporary`
    (with what ends the role that each gives) and `_subscriptions`; `_alive`; `_unique`, set once.
    """

    def __init__(self, bus: Bus, system: Subject) -> None:
        self.bus = bus
        self._seen = bus.access.changes
        self._subject = system
        self._system = system
        self._unique: str | None = None
        self._id = new_connection_id()
        self._numbers = itertools.count(1)
        self._reply_queues: set[str] = set()
        self._temporary: dict[str, Callable[[], None]] = {}
        self._subscriptions: list[OpenSubscription] = []
        self._alive = True

    @property
    def subject(self) -> Subject:
        """Whom it acts for: all checks and the identity in its messages are this subject's.

        After a change of rights or users it is who the registry knows by that name now: blocks for the registry then,
        and where that can't be asked what was known stays, and it is asked again at the next use.
        Raises AccessDenied CF-BUS-012, -064 or -490 where user or caller have lost the connector role, or are gone.
        """
        self._look_again()
        return self._subject

    @subject.setter
    def subject(self, subject: Subject) -> None:
        self._subject = subject

    def remember_user(self) -> None:
        """Note which user of the registry has signed on, so that another of the same name is told apart later.

        Blocks for the registry. Where that can't say, nothing is noted, and the name alone counts.
        """
        with contextlib.suppress(SecurityError):
            self._unique = self._unique_name()

    def require_same_user(self) -> None:
        """Pass if the name of who signed on is still that user's. Blocks for the registry.

        Raises AccessDenied CF-BUS-490, and what the registry raises where it can't be asked.
        """
        if self._unique is not None and self._unique != self._unique_name():
            raise AccessDenied(USER_REPLACED, user=str(self._system.caller), bus=self.bus.name)

    def _unique_name(self) -> str | None:
        caller, identity = self._system.caller, self.bus.context.identity
        is_ours = isinstance(caller, UserPrincipal) and caller.realm == identity.realm
        if caller is None or not is_ours or not self.bus.access.active or not self._system.is_authenticated:
            return None
        return identity.unique_name(caller.name)

    def _look_again(self) -> None:
        changes = self.bus.access.changes
        if changes == self._seen:
            return
        try:
            system = self._present(self._system)
            self.require_same_user()
            self._subject = system if self._subject is self._system else self._present(self._subject)
            self._system = system
            asked = True
        except SecurityError as error:
            if identity_outage(error) is None:
                raise
            asked = False
        for each in {id(one): one for one in (self._system, self._subject)}.values():
            self.bus.access.require(each, Role.CONNECTOR)
        if asked:
            self._seen = changes

    def _present(self, subject: Subject) -> Subject:
        """As the registry knows its user now. Raises what says that it can't be asked, AccessDenied CF-BUS-064."""
        try:
            return self.bus.engine.rights.present(subject)
        except SecurityError as error:
            if identity_outage(error) is not None:
                raise
            raise AccessDenied(USER_GONE, user=str(subject.caller), bus=self.bus.name, cause=error.text) from error

    def switch_identity(self, asserted: IdentityAssertion) -> None:
        """Act for another caller, if the user signed on is trusted with that. Blocks for the registry.

        Raises AccessDenied CF-BUS-012 to -015; the connection then still acts for the user signed on.
        """
        self._look_again()
        self._subject = self.bus.sign_on.asserted(self._system, asserted)

    def cleanup(self) -> None:
        """Act for the user signed on again; what is temporary goes, and late replies with it.

        Subscriptions are used no more. May block for the database of a store that several engines share.
        """
        self._subject = self._system
        for name in list(self._reply_queues):
            self.drop_reply_queue(name)
        for name in list(self._temporary):
            self.drop_temporary(name)
        opened, self._subscriptions = self._subscriptions, []
        for each in opened:
            each.close()

    def destroy(self) -> None:
        """The end. Harmless when called twice."""
        self.cleanup()
        self._alive = False

    def describe(self) -> ConnectionDescription:
        """Product, version, and whom it acts for. Does not block."""
        version = importlib.metadata.version("connector-framework")
        return ConnectionDescription(f"service integration bus {self.bus.name}", version, self._user())

    def validate(self) -> bool:
        """Whether it has not been destroyed: in process there is no wire to break."""
        return self._alive

    @property
    def id(self) -> str:
        """What it is known by; no other connection of any engine is."""
        return self._id

    def new_reply_queue(self) -> str:
        """Make a reply queue that only this connection consumes from; no name comes twice."""
        name = f"{REPLY_PREFIX}.{self._id}.{next(self._numbers)}"
        self.bus.engine.destinations.add_reply_queue(name, self)
        self._reply_queues.add(name)
        return name

    def drop_reply_queue(self, name: str) -> None:
        """Take a reply queue away; what comes later is discarded and counted."""
        self._reply_queues.discard(name)
        self.bus.engine.discarded(self.bus.engine.destinations.remove_reply_queue(name))

    def new_temporary(self, prefix: str, *, is_topic_space: bool) -> str:
        """Make a temporary queue or topic (BUS-7). May block for the registry. Raises AccessDenied CF-BUS-122."""
        engine, access = self.bus.engine, self.bus.access
        access.require_prefix(self.subject, Role.CREATOR, prefix)
        name = f"{TEMPORARY_PREFIX}{'topic' if is_topic_space else 'queue'}.{self._id}.{next(self._numbers)}"
        self._temporary[name] = access.temporary_made(prefix, self.subject)
        engine.destinations.add_temporary(name, self, prefix=prefix, is_topic_space=is_topic_space)
        if is_topic_space:
            engine.topics.attach(name)
        return name

    def drop_temporary(self, name: str) -> bool:
        """Take one away; what comes later is discarded and counted. False where it isn't (any more) one of these."""
        ended = self._temporary.pop(name, None)
        if ended is None:
            return False
        engine = self.bus.engine
        engine.topics.temporary_gone(name)
        engine.discarded(engine.destinations.remove_reply_queue(name))
        ended()
        return True

    def subscribe(self, topic_space: str, terms: Terms) -> OpenSubscription:
        """Subscribe; it ends with this connection's use. See `Topics.open`."""
        opened = self.bus.engine.topics.open(self.subject, topic_space, terms, self)
        self._subscriptions = [each for each in self._subscriptions if not each.closed]
        self._subscriptions.append(opened)
        return opened

    def _user(self) -> str | None:
        caller = self._subject.caller
        return None if caller is None or caller == UNAUTHENTICATED else caller.name

    def __repr__(self) -> str:
        return f"<BusManagedConnection to {self.bus.name} for {self._subject.caller}>"
