"""Recovery of a container's transactions: who signs on for it, and when it looks (FLOW-8)."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final, final

from connector.container.periodic import Periodic
from connector.errors import LoginRefused
from connector.signon.reference import ResAuth, ResourceReference, SignOnTarget
from connector.spi import Capability, OutcomeArchive, RecoverableBranches, SignOnPlan

if TYPE_CHECKING:
    from collections.abc import Sequence

    from connector.container.parts import Parts
    from connector.container.resources import Resource
    from connector.signon.resolver import SignOnResolver

#: Seconds between two looks. Only resources that are known to have something left are asked.
INTERVAL: Final = 10.0


@final
class ResourceRecovery:
    """One resource's prepared branches, asked for by its own sign-on. Implements RecoverableBranches and
    OutcomeArchive of `connector.spi`.

    It signs on anew for each call, with the newest authentication data. A credential that was refused is not tried
    again before it has changed: that may lock the account.

    Args:
        target: The resource; its component alias is the one for recovery.
        resolver: The sign-on.
    """

    def __init__(self, target: SignOnTarget, resolver: SignOnResolver) -> None:
        self._target = target
        self._reference = ResourceReference(
            name=target.resource, resource=target.resource, res_auth=ResAuth.APPLICATION
        )
        self._resolver = resolver
        # Mutable: the last refusal, with the version of what was refused. One thread at a time asks.
        self._refused: tuple[int, LoginRefused] | None = None

    def in_doubt(self) -> Sequence[str]:
        """See RecoverableBranches. Raises SignOnError, and what the adapter raises."""
        plan = self._plan()
        try:
            return self._branches(plan).in_doubt()
        except LoginRefused as error:
            self._refused = (plan.version, error)
            raise

    def commit(self, branch: str) -> None:
        """See RecoverableBranches; raises as `in_doubt`."""
        self._branches(self._plan()).commit(branch)

    def rollback(self, branch: str) -> None:
        """See RecoverableBranches; raises as `in_doubt`."""
        self._branches(self._plan()).rollback(branch)

    def has_committed(self, branch: str, evidence: str) -> bool | None:
        """See OutcomeArchive; raises as `in_doubt`. None where the adapter has none."""
        branches = self._branches(self._plan())
        return branches.has_committed(branch, evidence) if isinstance(branches, OutcomeArchive) else None

    def _plan(self) -> SignOnPlan:
        plan = self._resolver.resolve(self._reference, self._target, None, None)
        if self._refused is not None:
            version, error = self._refused
            if plan.version == version:
                raise error.with_traceback(None)
            self._refused = None
        return plan

    def _branches(self, plan: SignOnPlan) -> RecoverableBranches:
        return self._target.factory.recoverable_branches(plan.subject)


def start_recovery(parts: Parts, *, look: bool) -> None:
    """Have the prepared branches of all resources finished that can prepare: from now on, and by a thread of its own.

    Args:
        parts: The container, its resources made.
        look: Whether to begin; without, `Transactions.look` is called by whoever wants it.

    Raises ConfigError where the decision log can't be used.
    """
    for name, resource in parts.resources.items():
        register_resource(parts, resource, parts.configuration.resources[name].recovery_alias)
    if look:
        name = f"connector-{parts.configuration.container.name}-recovery"
        parts.stack.callback(Periodic(name, INTERVAL, parts.transactions.look, at_once=True).close)


def register_resource(parts: Parts, resource: Resource, alias: str | None) -> None:
    """Have recovery know a resource, where it can prepare. Does not ask it.

    Args:
        parts: The container.
        resource: Which.
        alias: Whom to sign on as; None for whom the resource signs on as by itself.

    Raises ConfigError where the decision log can't be used.
    """
    if Capability.TWO_PHASE in resource.target.capabilities:
        target = replace(resource.target, component_alias=alias) if alias is not None else resource.target
        parts.transactions.register(resource.name, ResourceRecovery(target, parts.resolver))
