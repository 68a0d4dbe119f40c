"""The one place where a bus says no: the policy's decision, audited and explained (BUS-2 to BUS-9, BUS-16).

Each check has a reason of its own, so that a code tells which one refused.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final, NoReturn, final

from connector.errors import AccessDenied, Reason
from connector.spi import (
    UNAUTHENTICATED,
    AuditEvent,
    AuditLog,
    Explanation,
    IdentityService,
    Outcome,
    Principal,
    Subject,
    UserPrincipal,
)
from connector_bus.engine.prefix_creators import PrefixCreators
from connector_bus.engine.security_state import SecurityState
from connector_bus.engine.unique_names import UniqueNames
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.definition import ForeignAddress, PolicyDefinition
from connector_bus.policy.explanation import explain, explain_foreign
from connector_bus.policy.holder_set import HolderSet
from connector_bus.policy.holders import Holder
from connector_bus.policy.place import Place, assignments
from connector_bus.policy.roles import ResourceType, Role

NOT_CONNECTOR = Reason(
    "CF-BUS-012",
    "{user} is not in the connector role of bus {bus}",
    'Add it to the connector list in [buses."{bus}".roles], as user:NAME, through a group, or by a special group.',
)
ENGINE_ONLY = Reason(
    "CF-BUS-455",
    "{user} is whom the engines of bus {bus} sign on to each other as, and is no client",
    "Sign on as another user; give the inter-engine alias a user that nothing else uses.",
)
NOT_SENDER = Reason(
    "CF-BUS-020",
    "{user} may not send to {destination} on bus {bus}: it does not hold the sender role there",
    'Grant sender to the user or one of its groups in [buses."{bus}".destinations."{destination}".roles].',
)
NOT_RECEIVER = Reason(
    "CF-BUS-021",
    "{user} may not receive from {destination} on bus {bus}: it does not hold the receiver role there",
    'Grant receiver to the user or one of its groups in [buses."{bus}".destinations."{destination}".roles].',
)
NOT_BROWSER = Reason(
    "CF-BUS-022",
    "{user} may not browse {destination} on bus {bus}: it does not hold the browser role there",
    'Grant browser to the user or one of its groups in [buses."{bus}".destinations."{destination}".roles].',
)

NOT_PUBLISHER = Reason(
    "CF-BUS-120",
    "{user} may not publish to topic {topic} of {destination} on bus {bus}: it does not hold the sender role there",
    'Grant sender in [buses."{bus}".destinations."{destination}".topics."{topic}".roles], or above it.',
)
NOT_SUBSCRIBER = Reason(
    "CF-BUS-121",
    "{user} may not receive topic {topic} of {destination} on bus {bus}: it does not hold the receiver role there",
    'Grant receiver in [buses."{bus}".destinations."{destination}".topics."{topic}".roles], or above it.',
)
NOT_CREATOR = Reason(
    "CF-BUS-122",
    "{user} may not make temporary destinations with prefix {prefix!r} on bus {bus}: it does not hold the creator role",
    'Grant creator in [buses."{bus}".temporary_prefixes."{prefix}".roles], or in default_roles.',
)
NOT_TEMPORARY_SENDER = Reason(
    "CF-BUS-123",
    "{user} may not send to temporary destinations with prefix {prefix!r} on bus {bus}: it isn't in the sender role",
    'Grant sender in [buses."{bus}".temporary_prefixes."{prefix}".roles].',
)
NOT_FOREIGN_SENDER = Reason(
    "CF-BUS-124",
    "{user} may not send to {destination} of bus {foreign_bus} from bus {bus}: it does not hold the sender role",
    'Grant sender on the foreign destination, or in [buses."{bus}".foreign_buses."{foreign_bus}".roles].',
)
RECEIVE_ELSEWHERE = Reason(
    "CF-BUS-125",
    "{destination} on bus {bus} belongs to bus {foreign_bus}: nothing can be received or browsed here",
    "Connect to bus {foreign_bus} and receive there.",
)

_REASONS: Final = {
    Role.CONNECTOR: NOT_CONNECTOR,
    Role.SENDER: NOT_SENDER,
    Role.RECEIVER: NOT_RECEIVER,
    Role.BROWSER: NOT_BROWSER,
}
_ACTIONS: Final = {
    Role.CONNECTOR: "bus.connect",
    Role.SENDER: "bus.send",
    Role.RECEIVER: "bus.receive",
    Role.BROWSER: "bus.browse",
}
_NOBODY: Final = Subject.unauthenticated()


_TOPIC_REASONS: Final = {Role.SENDER: NOT_PUBLISHER, Role.RECEIVER: NOT_SUBSCRIBER}
_PREFIX_REASONS: Final = {Role.CREATOR: NOT_CREATOR, Role.SENDER: NOT_TEMPORARY_SENDER}
_LOG = logging.getLogger("connector_bus.engine")

#: Told that rights may have changed: whoever holds something open asks again.
PolicyListener = Callable[[], None]


@final
class AccessControl:
    """Checks roles on one bus. Safe to use from any thread.

    Nothing blocks, except that the first question about an assignment with a unique name asks the registry, and raises
    what that raises.

    Args:
        policy: The decisions.
        identity: Who is who.
        audit: Where refusals go.
        bus_security: The bus's own switch; without administrative security it has no effect (CONF-4).

    Attributes:
        state: Whether the security is in force.
        active: Whether roles are checked.
        engine_user: The user whom engines of the bus sign on to each other as; nobody connects as them (CHAIN-4).
        changes: How often rights may have changed since the start; whoever remembers a user compares it.

    Mutable state: `_policy` and `_version`, replaced together under `_lock` and read without it, as every decision
    looks at one policy only; `_listeners` and `changes`, changed under `_lock`.
    """

    def __init__(
        self, policy: CompiledPolicy, identity: IdentityService, audit: AuditLog, *, bus_security: bool
    ) -> None:
        self._identity = identity
        self._audit = audit
        self._names = UniqueNames(identity)
        self._creators = PrefixCreators()
        self._lock = threading.Lock()
        self._listeners: list[PolicyListener] = []
        self._version = 1
        self.engine_user: str | None = None
        self.changes = 0
        self._policy = self._bound(policy)
        self.state = SecurityState.of(bus_security=bus_security, admin_security=identity.security_enabled)
        self.active = self.state is SecurityState.ENABLED

    @property
    def policy(self) -> CompiledPolicy:
        """The policy in force."""
        return self._policy

    @property
    def realm(self) -> str:
        """The registry's realm."""
        return self._identity.realm

    @property
    def version(self) -> int:
        """Which policy is in force, counted from 1 at the start."""
        return self._version

    def replace(self, policy: CompiledPolicy) -> int:
        """Put another policy in force for every decision from now on; answers its version (BUS-12).

        One that is equal to that in force changes nothing. Blocks for the listeners, who are told after the change.
        """
        with self._lock:
            if policy.definition == self._policy.definition:
                return self._version
            self._policy = self._bound(policy)
            self._version += 1
            version = self._version
        self.recheck()
        return version

    def recheck(self) -> None:
        """Have the open links and consumers ask again, and forget what was remembered of users: the registry changed.

        Blocks for the listeners; what one of them raises is logged and hinders no other.
        """
        self._names.forget()
        with self._lock:
            self.changes += 1
            listeners = tuple(self._listeners)
        for listener in listeners:
            try:
                listener()
            except Exception:  # noqa: BLE001 - whatever one listener raises, the others have to hear of the change
                _LOG.exception("bus %s: a listener failed on a change of the policy", self._policy.bus)

    def subscribe(self, listener: PolicyListener) -> Callable[[], None]:
        """Have something called, without arguments, after each change; answers what ends that, harmless twice.

        It is called on the thread that made the change and has to be short: whatever is open is to ask `allows` again,
        of the caller as `subject_of` knows it now, within a second.
        """
        with self._lock:
            self._listeners.append(listener)

        def unsubscribe() -> None:
            with self._lock:
                if listener in self._listeners:
                    self._listeners.remove(listener)

        return unsubscribe

    def allows(self, subject: Subject, role: Role, resource: str | None = None, topic: str | None = None) -> bool:
        """Whether `require` would pass, without a line in the audit log: for what was audited when it began."""
        return not self.active or self._policy.decide(subject, role, resource, topic)

    def allows_topic(self, subject: Subject, role: Role, space: str, topic: str) -> bool:
        """Whether one message of a topic may be published by, or shown to, somebody whose right on the topic space is
        known already (BUS-6). A look-up, no walk: for every message and subscriber.
        """
        return not self.active or self._policy.decide_topic(subject, role, space, topic)

    def require(self, subject: Subject, role: Role, resource: str | None = None, topic: str | None = None) -> None:
        """Pass if the subject holds the role on a resource, or on the bus itself; with a topic, on both.

        Raises AccessDenied CF-BUS-012, -020, -021 or -022, for the topic CF-BUS-120 or -121, for what can only be
        received on another bus CF-BUS-125, for engines' own user as a client CF-BUS-455, with the explanation; the
        refusal is in the audit log.
        """
        policy = self._policy
        if role is Role.CONNECTOR and self._is_engines_user(subject):
            explanation = policy.explain(subject, role)
            self._refuse(policy, subject, _ACTIONS[role], policy.bus, ENGINE_ONLY, explanation, {})
        if not self.active or policy.decide(subject, role, resource, topic):
            return
        owner = None if resource is None else policy.owning_bus(resource)
        details: dict[str, object] = {"role": str(role), "destination": resource}
        reason, place = _REASONS[role], policy.bus if resource is None else f"{policy.bus}/{resource}"
        if owner is not None and role in (Role.RECEIVER, Role.BROWSER):
            reason, details["foreign_bus"] = RECEIVE_ELSEWHERE, owner
        elif topic is not None and role in _TOPIC_REASONS and policy.decide(subject, role, resource):
            reason, details["topic"], place = _TOPIC_REASONS[role], topic, f"{place}/{topic}"
        explanation = policy.explain(subject, role, resource, topic)
        self._refuse(policy, subject, _ACTIONS[role], place, reason, explanation, details)

    def _is_engines_user(self, subject: Subject) -> bool:
        """Whether somebody comes as the engines' own user; in letters of either case, as some registries have it."""
        user, caller = self.engine_user, subject.caller
        if user is None or not self.active or caller is None or not subject.is_authenticated:
            return False
        return caller.realm == self.realm and caller.name.casefold() == user.casefold()

    def require_topic(self, subject: Subject, role: Role, space: str, topic: str) -> None:
        """Pass if the subject holds the role on a topic, where the topic space was asked about before.

        Raises AccessDenied CF-BUS-120 or -121.
        """
        policy = self._policy
        if not self.active or policy.decide_topic(subject, role, space, topic):
            return
        explanation = policy.explain(subject, role, space, topic)
        details: dict[str, object] = {"role": str(role), "destination": space, "topic": topic}
        place = f"{policy.bus}/{space}/{topic}"
        self._refuse(policy, subject, _ACTIONS[role], place, _TOPIC_REASONS[role], explanation, details)

    def require_prefix(self, subject: Subject, role: Role, prefix: str) -> None:
        """Pass if the subject holds creator or sender on a prefix of temporary destinations (BUS-7).

        Whoever has a temporary destination with that prefix holds the creator role as long as it lives.
        Raises AccessDenied CF-BUS-122 or -123.
        """
        policy = self._policy
        if not self.active or policy.decide_prefix(subject, role, prefix):
            return
        if role is Role.CREATOR and self._creators.holds(prefix, subject):
            return
        explanation = explain(policy, subject, role, Place(ResourceType.TEMPORARY, prefix))
        action = "bus.create" if role is Role.CREATOR else _ACTIONS[role]
        details: dict[str, object] = {"role": str(role), "prefix": prefix}
        self._refuse(policy, subject, action, f"{policy.bus}/{prefix}*", _PREFIX_REASONS[role], explanation, details)

    def temporary_made(self, prefix: str, subject: Subject) -> Callable[[], None]:
        """A temporary destination was made: its creator is put into the creator role of its prefix (BUS-7).

        Answers what is to be called, once, when it is gone.
        """
        self._creators.add(prefix, subject)
        return lambda: self._creators.remove(prefix, subject)

    def require_foreign(self, subject: Subject, foreign_bus: str, destination: str) -> None:
        """Pass if the subject may send to a destination of another bus: the first of the two stages (BUS-9).

        Raises AccessDenied CF-BUS-124.
        """
        policy = self._policy
        if not self.active or policy.decide_foreign(subject, foreign_bus, destination):
            return
        explanation = explain_foreign(policy, subject, ForeignAddress(foreign_bus, destination))
        details: dict[str, object] = {"role": str(Role.SENDER), "foreign_bus": foreign_bus, "destination": destination}
        place = f"{policy.bus}/{foreign_bus}:{destination}"
        self._refuse(policy, subject, "bus.send", place, NOT_FOREIGN_SENDER, explanation, details)

    def require_owner(self, subject: Subject, owner: Principal, subscription: str, reason: Reason) -> None:
        """Pass if the subject is who made a subscription. Raises AccessDenied with the reason, audited."""
        if self.identity_of(subject) == owner:
            return
        user, bus = str(subject.caller or UNAUTHENTICATED), self._policy.bus
        self._audit.record(AuditEvent("bus.subscribe", user, f"{bus}/{subscription}", Outcome.DENIED, reason.code))
        raise AccessDenied(reason, user=user, subscription=subscription, bus=bus)

    def connected(self, subject: Subject) -> None:
        """Write the audit line of a connection that was let in."""
        user = str(subject.caller or UNAUTHENTICATED)
        self._audit.record(AuditEvent("bus.connect", user, self._policy.bus, Outcome.SUCCESS, "connector role"))

    def identity_of(self, subject: Subject) -> Principal:
        """Whom a message of this subject comes from; without bus security never a claimed name (BUS-4)."""
        if not self.active:
            return UNAUTHENTICATED
        return subject.caller or UNAUTHENTICATED

    def subject_of(self, identity: Principal | None) -> Subject:
        """The subject of a message's identity, for the checks along its way (BUS-8). May block for the registry.

        Raises AuthenticationFailed where the user has vanished or the registry can't be asked.
        """
        if identity is None or not self.active:
            return _NOBODY
        if isinstance(identity, UserPrincipal) and identity.realm == self._identity.realm:
            return self._identity.assert_user(identity.name)
        return Subject([identity], read_only=True)

    def explain(
        self, subject: Subject, role: Role, resource: str | None = None, topic: str | None = None
    ) -> Explanation:
        """What the policy says, whether it is in force or not."""
        return self._policy.explain(subject, role, resource, topic)

    def holder_set(self, holders: frozenset[Holder]) -> HolderSet:
        """Holders of what is no role of the policy, asked about like those: by realm, and by unique names."""
        definition = self._policy.definition
        return HolderSet(holders, definition.realm, definition.trusted_realms, self._names)

    def compiled(self, definition: PolicyDefinition) -> CompiledPolicy:
        """A policy compiled as the one in force is: for a dry run, or for `replace`."""
        return CompiledPolicy(definition, self._names)

    def _bound(self, policy: CompiledPolicy) -> CompiledPolicy:
        """The same with our unique names, if it was compiled without any."""
        needed = any(each.holder.unique_name for each in assignments(policy.definition))
        return self.compiled(policy.definition) if needed and not policy.knows_unique_names else policy

    def _refuse(
        self,
        policy: CompiledPolicy,
        subject: Subject,
        action: str,
        place: str,
        reason: Reason,
        explanation: Explanation,
        details: dict[str, object],
    ) -> NoReturn:
        user = str(subject.caller or UNAUTHENTICATED)
        self._audit.record(AuditEvent(action, user, place, Outcome.DENIED, reason.code))
        raise AccessDenied(reason, explanation=explanation, user=user, bus=policy.bus, **details)
