"""Calls to the adapter: open, make ready, close one physical connection, and what is said when they fail.

No state and no lock. The clean-up alone is called by the pool itself: it stands on the hot path.
"""

from __future__ import annotations

import logging
from typing import final

from connector.errors import ConnectionFailed, IdentityMismatch, Reason
from connector.pool.entry import Doom, Entry
from connector.spi import Capability, ManagedConnection, ManagedConnectionFactory, SignOnPlan

FOREIGN_IDENTITY = Reason(
    "CF-POOL-004",
    "the pool of {resource} was about to lend a connection signed on as {user} for {wanted}",
    "The connection was destroyed. This is a defect of the framework or of a plan's partition: report it.",
)
CANNOT_ASSERT = Reason(
    "CF-POOL-005",
    "reference {reference} wants {user} asserted on connections of {resource}, and its adapter can't do that",
    "Use another login configuration than a trusted one, or an adapter with the capability 'identity-switch'.",
)
BROKE_WHILE_SWITCHING = Reason(
    "CF-POOL-006",
    "a connection to {resource} broke while {user} was being asserted on it",
    "The connection was destroyed; see why the external system ends connections, then try again.",
)

_log = logging.getLogger("connector.pool")


@final
class AdapterCalls:
    """What the pool asks of one resource's adapter. Safe to use from any thread; every call may block.

    Args:
        resource: The resource's global name, for messages.
        factory: The adapter's factory.
        capabilities: What the adapter declares; what is not declared is never asked.
    """

    def __init__(self, resource: str, factory: ManagedConnectionFactory, capabilities: frozenset[Capability]) -> None:
        self._resource = resource
        self._factory = factory
        self._can_switch = Capability.IDENTITY_SWITCH in capabilities
        self._can_validate = Capability.VALIDATION in capabilities

    def open(self, plan: SignOnPlan) -> ManagedConnection:
        """Open a connection signed on as the plan says. Blocks for connecting; raises what the adapter raises."""
        return self._factory.create_managed_connection(plan.subject, plan.request)

    def make_ready(self, entry: Entry, plan: SignOnPlan) -> None:
        """Make sure that the entry acts as the plan says: its own partition, its caller asserted (POOL-1, TRUST-1).

        Blocks for the adapter's round trip where a caller is asserted. Raises IdentityMismatch (CF-POOL-004,
        CF-POOL-005), ConnectionFailed (CF-POOL-006) or what the adapter raises: the identity is then in doubt.
        """
        if entry.partition.key != plan.partition:
            raise IdentityMismatch(
                FOREIGN_IDENTITY,
                resource=self._resource,
                user=entry.user or "the default user",
                wanted=plan.user or "the default user",
            )
        if plan.asserted is None:
            return
        if not self._can_switch:
            raise IdentityMismatch(
                CANNOT_ASSERT, reference=plan.reference, user=plan.asserted.user, resource=self._resource
            )
        entry.physical.switch_identity(plan.asserted)
        if entry.doomed is Doom.BROKEN:  # reported, but not raised
            raise ConnectionFailed(BROKE_WHILE_SWITCHING, resource=self._resource, user=plan.asserted.user)

    def reauthenticate(self, entry: Entry, plan: SignOnPlan) -> None:
        """Sign the entry's connection on anew, as the plan says (POOL-5). Blocks for the adapter's round trip.

        Raises what the adapter raises, ConnectionFailed (CF-POOL-006) where it reports a broken connection without
        raising: the identity is then in doubt.
        """
        entry.physical.reauthenticate(plan.subject, plan.request)
        if entry.doomed is Doom.BROKEN:
            raise ConnectionFailed(BROKE_WHILE_SWITCHING, resource=self._resource, user=plan.user or "the default user")

    def validate(self, entry: Entry) -> bool:
        """Whether the entry's connection is still good; one that raises is not. Blocks for the adapter's round trip.

        An adapter without Capability.VALIDATION is not asked: whatever has not reported an error is good.
        """
        if not self._can_validate:
            return entry.doomed is not Doom.BROKEN
        try:
            return entry.physical.validate() and entry.doomed is not Doom.BROKEN
        except Exception as error:  # noqa: BLE001 - an adapter may raise anything where it should answer False
            _log.info("validating a connection to %s raised %s", self._resource, type(error).__name__)
            return False

    def report_unclean(self, entry: Entry, error: BaseException) -> None:
        """Log that a clean-up raised: the contract lets an adapter raise anything, the application isn't told."""
        _log.warning(
            "clean-up of a connection to %s failed after use by %s (reference %s), it is destroyed: %s",
            self._resource,
            entry.plan.effective_user if entry.plan is not None else None,
            entry.plan.reference if entry.plan is not None else None,
            type(error).__name__,
        )

    def close(self, entry: Entry) -> None:
        """Close the physical connection; what that raises is logged and dropped."""
        try:
            entry.physical.destroy()
            entry.physical.set_event_listener(None)
        except Exception as error:  # noqa: BLE001 - the contract says so
            _log.warning(
                "closing a connection of %s to %s failed, it is dropped: %s",
                entry.user,
                self._resource,
                type(error).__name__,
            )
