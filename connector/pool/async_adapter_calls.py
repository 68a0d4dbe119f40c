"""Calls to the adapter's asyncio side: open, make ready, close one physical connection. No state and no lock."""

from __future__ import annotations

import asyncio
import logging
from typing import Any, final

from connector.errors import ConnectionFailed, IdentityMismatch
from connector.pool.adapter_calls import BROKE_WHILE_SWITCHING, CANNOT_ASSERT, FOREIGN_IDENTITY
from connector.pool.entry import Doom, Entry
from connector.spi import (
    AsyncManagedConnection,
    Capability,
    ManagedConnectionFactory,
    SignOnPlan,
)

_log = logging.getLogger("connector.pool")


@final
class AsyncAdapterCalls:
    """What the asyncio pool asks of one resource's adapter; the twin of `AdapterCalls`, with the same refusals.

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

    async def open(self, plan: SignOnPlan, victim: Entry | None) -> AsyncManagedConnection:
        """Close the victim, if there is one, then open a connection signed on as the plan says.

        Waits for both; raises what the adapter raises.
        """
        if victim is not None:
            await self.close(victim)
        return await self._factory.create_managed_connection_async(plan.subject, plan.request)

    async def make_ready(self, entry: Entry, plan: SignOnPlan) -> None:
        """Make sure that the entry acts as the plan says: its own partition, its caller asserted (POOL-1, TRUST-1).

        Waits for the adapter's round trip where a caller is asserted. Raises IdentityMismatch (CF-POOL-004,
        CF-POOL-005), ConnectionFailed (CF-POOL-006) or what the adapter raises, cancellation included: the identity is
        then in doubt.
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
        physical: Any = entry.physical
        await physical.switch_identity(plan.asserted)
        if entry.doomed is Doom.BROKEN:  # reported, but not raised
            raise ConnectionFailed(BROKE_WHILE_SWITCHING, resource=self._resource, user=plan.asserted.user)

    async def reauthenticate(self, entry: Entry, plan: SignOnPlan) -> None:
        """Sign the entry's connection on anew, as `AdapterCalls.reauthenticate`. Waits for the round trip."""
        physical: Any = entry.physical
        await physical.reauthenticate(plan.subject, plan.request)
        if entry.doomed is Doom.BROKEN:
            raise ConnectionFailed(BROKE_WHILE_SWITCHING, resource=self._resource, user=plan.user or "the default user")

    async def validate(self, entry: Entry) -> bool:
        """Whether the entry's connection is still good, as `AdapterCalls.validate`. Waits for the round trip."""
        if not self._can_validate:
            return entry.doomed is not Doom.BROKEN
        physical: Any = entry.physical
        try:
            return bool(await physical.validate()) and entry.doomed is not Doom.BROKEN
        except Exception as error:  # noqa: BLE001 - an adapter may raise anything where it should answer False
            _log.info("validating a connection to %s raised %s", self._resource, type(error).__name__)
            return False

    def report_unclean(self, entry: Entry, error: BaseException) -> None:
        """Log that a clean-up raised or was cancelled: the application isn't told of what an adapter raises there."""
        _log.warning(
            "clean-up of a connection to %s failed after use by %s (reference %s), it is destroyed: %s",
            self._resource,
            entry.plan.effective_user if entry.plan is not None else None,
            entry.plan.reference if entry.plan is not None else None,
            type(error).__name__,
        )

    async def close(self, entry: Entry) -> None:
        """Close the physical connection; what that raises is logged and dropped. Cancelled, it is aborted instead."""
        physical: Any = entry.physical
        try:
            await physical.destroy()
            physical.set_event_listener(None)
        except asyncio.CancelledError:
            self.abort(entry)
            raise
        except Exception as error:  # noqa: BLE001 - the contract says so
            self._report_unclosed(entry, error)

    def abort(self, entry: Entry) -> None:
        """Let go of the physical connection where nothing can be awaited; what that raises is logged and dropped."""
        physical: Any = entry.physical
        try:
            physical.abort()
            physical.set_event_listener(None)
        except Exception as error:  # noqa: BLE001 - the contract says so
            self._report_unclosed(entry, error)

    def _report_unclosed(self, entry: Entry, error: Exception) -> None:
        _log.warning(
            "closing a connection of %s to %s failed, it is dropped: %s",
            entry.user,
            self._resource,
            type(error).__name__,
        )
