"""Connections within a unit of work: enlisted once, shared by handles, given back after its end (FLOW-8, POOL-3).

A connection that is obtained within a unit takes part in it and stays with it: closing the handle closes the handle.
Shareable references get one physical connection for the same resource and the same effective user, however often they
ask; callers never share one, and unshareable references get one each time. After the unit's end what handles are left
are closed, and the connections go back to the pool; or are destroyed, where one of them failed at the end, or may still
be in use: by a handle that another thread than the one that ends the unit has obtained and not closed.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from types import TracebackType
from typing import Final, TypeVar, final

from connector.errors import HandleClosed, Reason
from connector.security.scope import current_scope, no_scope
from connector.spi import Lease, ManagedConnection, OutcomeWitness, Scope, SignOnPlan, TransactionParticipant, Vote
from connector.transactions.coordinator import Outcome
from connector.transactions.unit import Unit

T = TypeVar("T")

USED_AFTER_CLOSE = Reason(
    "CF-OUT-020",
    "the connection of reference {reference}, lent to {user} in unit of work {unit}, was used after {end}.",
    "Ask the connection factory for a new connection; keep none beyond its `with` block, its unit or its login.",
)

#: The key of a unit's connections in `Unit.local`.
_KEY: Final = "connector.outbound.connections"


class EnlistedConnection:
    """One physical connection within one unit: the pool's lease, the adapter's participant. Implements
    `connector.spi.TransactionParticipant`.

    Args:
        lease: The pool's lease.
        participant: What the adapter's connection has answered; None where it is no branch of its own.
        resource: The global name of the resource.
        two_phase: Whether the resource is one that can prepare.
    """

    def __init__(
        self, lease: Lease, participant: TransactionParticipant | None, resource: str, *, two_phase: bool
    ) -> None:
        self._lease = lease
        self._participant = participant
        self._resource = resource
        self._two_phase = two_phase and participant is not None and participant.two_phase
        # The mutable state: what went wrong, so that nobody gets the connection any more; changed by whoever has it.
        self._broken: BaseException | None = None
        self._lost = False  # whether it was destroyed before the end
        # Which thread has obtained which handle that is not closed, by the handle's `id`.
        self._users: dict[int, int] = {}

    @property
    def resource(self) -> str:
        """See TransactionParticipant."""
        return self._resource

    @property
    def two_phase(self) -> bool:
        """See TransactionParticipant."""
        return self._two_phase

    @property
    def physical(self) -> ManagedConnection:
        """The physical connection. Raises HandleClosed where it was lost."""
        return self._lease.physical

    @property
    def lost(self) -> bool:
        """Whether it has been destroyed."""
        return self._lost or self._lease.closed

    def prepare(self, branch: str) -> Vote:
        """See TransactionParticipant."""
        return self._watched(lambda: self._part.prepare(branch))

    def commit(self, branch: str, *, one_phase: bool = False) -> None:
        """See TransactionParticipant."""
        self._watched(lambda: self._part.commit(branch, one_phase=one_phase))

    def rollback(self, branch: str) -> None:
        """See TransactionParticipant; nothing to do where the connection was lost with all that was done on it."""
        if not self._lost:
            self._watched(lambda: self._part.rollback(branch))

    def lose(self, cause: BaseException | None) -> None:
        """Destroy it before the end: what was done on it is gone. Blocks for closing it."""
        self._lost = True
        self._lease.invalidate(cause)

    def used(self, handle: int) -> None:
        """A handle of it is open, on the running thread. Does not block."""
        self._users[handle] = threading.get_ident()

    def unused(self, handle: int) -> None:
        """The handle is closed. Does not block; harmless when called twice."""
        self._users.pop(handle, None)

    def give_back(self, outcome: Outcome) -> None:
        """The unit has ended. Blocks for the clean-up.

        What a thread of the unit has left open elsewhere may be in the middle of a call: the next borrower, who may be
        somebody else, must not get that.
        """
        own = threading.get_ident()
        left_behind = any(thread != own for thread in list(self._users.values()))
        if self._broken is not None or outcome is Outcome.UNKNOWN or left_behind:
            self._lease.invalidate(self._broken)
        else:
            self._lease.close()

    @property
    def _part(self) -> TransactionParticipant:
        assert self._participant is not None, "what is no branch of its own is not enlisted"
        return self._participant

    def _watched(self, call: Callable[[], T]) -> T:
        try:
            return call()
        except BaseException as error:
            self._broken = error
            raise


@final
class WitnessedConnection(EnlistedConnection):
    """One whose adapter can say afterwards what became of it. Implements `connector.spi.OutcomeWitness` as well."""

    def evidence(self, branch: str) -> str | None:
        """See OutcomeWitness."""
        witness = self._participant
        assert isinstance(witness, OutcomeWitness)
        return self._watched(lambda: witness.evidence(branch))


@final
class UnitLease:
    """Implements `connector.spi.Lease`: one handle of a connection that stays with its unit.

    It is closed with its unit, and with the login or work that it was obtained in. Use it from one thread or task at a
    time, and of several over one connection one at a time as well.
    """

    __slots__ = ("plan", "_unit", "_connection", "_scope", "_closed", "__weakref__")

    def __init__(self, unit: Unit, connection: EnlistedConnection, plan: SignOnPlan, scope: Scope | None) -> None:
        self.plan = plan
        self._unit = unit
        self._connection = connection
        self._scope = scope
        self._closed = False
        connection.used(id(self))

    @property
    def physical(self) -> ManagedConnection:
        """The managed connection. Raises HandleClosed (CF-OUT-020) after the end of handle, unit or scope."""
        if self.closed:
            raise HandleClosed(
                USED_AFTER_CLOSE,
                reference=self.plan.reference,
                user=self.plan.effective_user or "the default user",
                unit=self._unit.id,
                end=self._what_ended(),
            )
        return self._connection.physical

    @property
    def closed(self) -> bool:
        """Whether nothing can be done with it any more."""
        scope = self._scope
        return self._closed or self._connection.lost or (scope is not None and not scope.open)

    def close(self) -> None:
        """Close the handle; the connection stays with the unit. Harmless when called twice. Does not block."""
        self._closed = True
        self._connection.unused(id(self))

    def invalidate(self, cause: BaseException | None = None) -> None:
        """Destroy the connection: the unit can only be rolled back from now on. Harmless after its end or `close`."""
        if not self.closed:
            self._closed = True
            why = f" ({type(cause).__name__})" if cause is not None else ""
            self._unit.set_rollback_only(f"its connection to {self.plan.resource} was lost{why}")
            self._connection.lose(cause)

    def _what_ended(self) -> str:
        if self._scope is not None and not self._scope.open:
            return f"the {self._scope.origin} had ended"
        return "it had been given back" if self._closed else "the unit had ended, or the connection was lost"

    def __enter__(self) -> UnitLease:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        condition = "closed" if self.closed else "open"
        return f"<UnitLease of {self.plan.reference} as {self.plan.effective_user} in {self._unit.id}, {condition}>"


@final
class UnitConnections:
    """The connections of one unit. Safe to use from several threads; see `connections_of`."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        # The mutable state, under the lock, which is held while a connection is got: of two threads that ask for the
        # same one, the second gets the first one's.
        self._lock = threading.Lock()
        self._shared: dict[Hashable, EnlistedConnection] = {}
        self._all: list[EnlistedConnection] = []
        self._over = False
        unit.at_end(self._give_back)

    def lease(
        self, plan: SignOnPlan, take: Callable[[SignOnPlan], Lease], *, shareable: bool, two_phase: bool
    ) -> UnitLease:
        """A handle by a plan: of the connection that is there, or of another one, which is enlisted.

        Args:
            plan: Who it is for.
            take: Lends a connection from the pool.
            shareable: Whether the reference may share.
            two_phase: Whether the resource can prepare.

        Blocks and raises as `take`. Raises TransactionError where the unit can take nobody in (CF-TX-001, CF-TX-002,
        CF-TX-004).
        """
        self._unit.require_active()
        scope = current_scope()
        key = (plan.resource, plan.sharing_key)
        with self._lock:
            if self._over:
                self._unit.require_active()  # raises: it has ended meanwhile, and gives nothing back any more
            connection = self._shared.get(key) if shareable else None
            if connection is None:
                connection = self._enlist(plan, take, two_phase=two_phase)
                if shareable:
                    self._shared[key] = connection
            return UnitLease(self._unit, connection, plan, scope)

    def _enlist(self, plan: SignOnPlan, take: Callable[[SignOnPlan], Lease], *, two_phase: bool) -> EnlistedConnection:
        # It belongs to the unit, which may outlive the login that it was obtained in.
        with no_scope():
            lease = take(plan)
        try:
            participant = lease.physical.take_part(self._unit)
            if participant is None:
                connection = EnlistedConnection(lease, None, plan.resource, two_phase=False)
            else:
                kind = WitnessedConnection if isinstance(participant, OutcomeWitness) else EnlistedConnection
                connection = kind(lease, participant, plan.resource, two_phase=two_phase)
                self._unit.enlist(connection)
        except BaseException as error:
            lease.invalidate(error)  # what it has begun, nobody ends
            raise
        self._all.append(connection)
        return connection

    def _give_back(self, outcome: Outcome) -> None:
        with self._lock:
            self._over = True
            connections, self._all = self._all, []
            self._shared.clear()
        for connection in connections:
            connection.give_back(outcome)


def connections_of(unit: Unit) -> UnitConnections:
    """The connections of a unit; made at the first call. Raises TransactionError where it has ended (CF-TX-001)."""
    found = unit.local.get(_KEY)
    if found is None:
        with _MAKING:
            found = unit.local.get(_KEY)
            if found is None:
                unit.local[_KEY] = found = UnitConnections(unit)
    assert isinstance(found, UnitConnections)
    return found


#: Held while a unit's connections are made, which happens once a unit.
_MAKING: Final = threading.Lock()
