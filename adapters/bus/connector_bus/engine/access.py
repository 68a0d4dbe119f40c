"""The one place where a bus says no: the policy's decision, audited and explained (BUS-2, BUS-16)."""

from __future__ import annotations

from typing import Final, final

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
from connector_bus.policy.compiled import CompiledPolicy
from connector_bus.policy.roles import Role

NOT_CONNECTOR = Reason(
    "CF-BUS-012",
    "{user} is not in the connector role of bus {bus}",
    'Add it to the connector list in [buses."{bus}".roles], as user:NAME, through a group, or by a special group.',
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


@final
class AccessControl:
    """Checks roles on one bus. Safe to use from any thread.

    Args:
        policy: The decisions.
        identity: Who is who.
        audit: Where refusals go.
        bus_security: The bus's own switch; without administrative security it has no effect (CONF-4).
    """

    def __init__(
        self, policy: CompiledPolicy, identity: IdentityService, audit: AuditLog, *, bus_security: bool
    ) -> None:
        self._policy = policy
        self._identity = identity
        self._audit = audit
        self.active = bus_security and identity.security_enabled

    def require(self, subject: Subject, role: Role, resource: str | None = None) -> None:
        """Pass if the subject holds the role on a resource, or on the bus itself; does not block.

        Raises AccessDenied CF-BUS-012, -020, -021 or -022 with the explanation; the refusal is in the audit log.
        """
        if not self.active or self._policy.decide(subject, role, resource):
            return
        reason, bus = _REASONS[role], self._policy.bus
        user = str(subject.caller or UNAUTHENTICATED)
        place = bus if resource is None else f"{bus}/{resource}"
        explanation = self._policy.explain(subject, role, resource)
        self._audit.record(AuditEvent(_ACTIONS[role], user, place, Outcome.DENIED, reason.code))
        raise AccessDenied(reason, explanation=explanation, user=user, role=str(role), destination=resource, bus=bus)

    def may(self, subject: Subject, role: Role, resource: str | None = None) -> bool:
        """What `require` would say, without refusing anybody; does not block."""
        return not self.active or self._policy.decide(subject, role, resource)

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

    def explain(self, subject: Subject, role: Role, resource: str | None = None) -> Explanation:
        """What the policy says, whether it is in force or not. Does not block."""
        return self._policy.explain(subject, role, resource)
