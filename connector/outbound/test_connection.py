"""Test connection: the same way as a real borrow, on a physical connection of its own (POOL-6)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import ClassVar

from connector.errors import ConnectionFailed, ConnectorError, Reason
from connector.outbound.manager import ReferenceConnectionManager
from connector.spi import ConnectionDescription, ConnectionRequestInfo, ManagedConnection, SignOnPlan

log = logging.getLogger("connector.outbound")

TEST_FAILED = Reason(
    "CF-OUT-010",
    "test connection of reference {reference!r} to resource {resource!r} as {user!r}: the adapter raised {kind} "
    "(its text is withheld, it may hold a secret).",
    "Look into the external system's log; an adapter should raise LoginRefused or ConnectionFailed with its reason.",
)


@dataclass(frozen=True, slots=True)
class TestResult:
    """A connection that could be made.

    Attributes:
        product: The external system's name.
        version: Its version.
        user: The user actually at work, as the external system sees it: the asserted one on a trusted connection; None
            where it has no users.
        plan: How it was signed on.
    """

    __test__: ClassVar[bool] = False  # the name is not a test's, whatever pytest thinks

    product: str
    version: str
    user: str | None
    plan: SignOnPlan


def test_connection(
    manager: ReferenceConnectionManager,
    request: ConnectionRequestInfo | None = None,  # noqa: PT028 - the name is the field's, this is no test function
) -> TestResult:
    """Sign on for the caller on the running thread or task, connect, ask the external system who it is, disconnect.

    The connection is made by the factory itself: it is not counted in the pool and does not wait for it. Blocks for
    login modules, for connecting and for the round trips of the questions.

    Raises:
        ScopeError, SignOnError: as `ReferenceConnectionManager.allocate`.
        LoginRefused, ConnectionFailed: with the sign-on's explanation.
    """
    plan = manager.current_plan(request)
    description = _probe(manager, plan)
    if isinstance(description, ConnectionDescription):
        manager.forgive(plan)
        return TestResult(description.product, description.version, description.user, plan)
    if isinstance(description, ConnectorError):
        manager.refused(plan, description)
        raise description
    raise ConnectionFailed(
        TEST_FAILED,
        reference=plan.reference,
        resource=plan.resource,
        user=plan.effective_user,
        kind=type(description).__name__,
        explanation=plan.explanation,
    )


def _probe(manager: ReferenceConnectionManager, plan: SignOnPlan) -> ConnectionDescription | Exception:
    """What the external system says, or what was raised instead: a value, so that no error drags another one along."""
    physical: ManagedConnection | None = None
    try:
        physical = manager.target.factory.create_managed_connection(plan.subject, plan.request)
        if plan.asserted is not None:
            physical.switch_identity(plan.asserted)
        return physical.describe()
    except Exception as error:  # noqa: BLE001 - an adapter may raise anything; it is reported by its type
        return error
    finally:
        if physical is not None:
            _destroy(physical, plan)


def _destroy(physical: ManagedConnection, plan: SignOnPlan) -> None:
    try:
        physical.destroy()
    except Exception as error:  # noqa: BLE001 - the test is over, whatever closing says
        log.warning("closing the test connection of %r failed: %s", plan.resource, type(error).__name__)
