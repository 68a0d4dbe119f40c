"""What the tests of endpoints share: two callers, roles, factories, and units of work that write down what is done."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from connector.endpoint.factory import HandlerEndpointFactory
from connector.errors import Reason, TransactionError
from connector.security.roles import RoleBinding, RoleMap, SpecialSubject
from connector.security.scope import open_scope
from connector.spi import Subject, TransactionParticipant, Vote

PATIENCE = 10.0
ALICE = Subject.of_user("alice", "home", ["clerks"])
EVE = Subject.of_user("eve", "home")
ROLES = RoleMap(
    {
        "clerk": RoleBinding(groups=frozenset({"clerks"})),
        "boss": RoleBinding(users=frozenset({"zoe"})),
        "anyone": RoleBinding(special=frozenset({SpecialSubject.EVERYONE})),
    },
    "home",
)
UNIT_OVER = Reason("CF-TEST-410", "the unit has ended", "")
UNIT_ROLLED_BACK = Reason("CF-TEST-411", "the unit was rolled back", "")

Make = Callable[..., HandlerEndpointFactory]


def under(subject: Subject) -> open_scope:
    """The subject's scope, as a work opens it."""
    return open_scope(subject, realm="home", container="c", origin="work")


class RecordedUnit:
    """A unit of work without a life of its own (`spi.UnitOfWork`)."""

    def __init__(self, units: RecordingUnits, name: str, timeout: float | None) -> None:
        self.id = name
        self.timeout = timeout
        self.rollback_only = False
        self.outcome = ""
        self.participants: list[TransactionParticipant] = []
        self._units = units

    @property
    def active(self) -> bool:
        return not self.outcome and not self.rollback_only

    def enlist(self, participant: TransactionParticipant) -> None:
        if self.outcome:
            raise TransactionError(UNIT_OVER)
        if self._units.refuse_enlisting is not None:
            raise self._units.refuse_enlisting
        self.participants.append(participant)
        self._units.calls.append(f"enlist {participant.resource} in {self.id}")

    def set_rollback_only(self) -> None:
        self.rollback_only = True


class RecordingUnits:
    """Units of work that write down what is done to them (`connector.endpoint.units.Units`)."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.begun: list[RecordedUnit] = []
        self.refuse_enlisting: Exception | None = None
        self.refuse_begin: Exception | None = None
        self.refuse_commit: Exception | None = None
        self.refuse_rollback: Exception | None = None
        self._current: ContextVar[RecordedUnit | None] = ContextVar("support_endpoint_unit", default=None)

    def current(self) -> RecordedUnit | None:
        return self._current.get()

    def begin(self, timeout: float | None = None) -> RecordedUnit:
        if self.refuse_begin is not None:
            raise self.refuse_begin
        unit = RecordedUnit(self, f"unit-{len(self.begun) + 1}", timeout)
        self.begun.append(unit)
        self._current.set(unit)
        self.calls.append(f"begin {unit.id}")
        return unit

    def commit(self, unit: Any) -> None:
        self._current.set(None)
        if self.refuse_commit is not None or unit.rollback_only:
            unit.outcome = "rolled back"
            self.calls.append(f"commit {unit.id} refused")
            raise self.refuse_commit or TransactionError(UNIT_ROLLED_BACK)
        unit.outcome = "committed"
        self.calls.append(f"commit {unit.id}")

    def rollback(self, unit: Any) -> None:
        self._current.set(None)
        unit.outcome = "rolled back"
        self.calls.append(f"rollback {unit.id}")
        if self.refuse_rollback is not None:
            raise self.refuse_rollback

    def suspend(self) -> Any:
        unit = self._current.get()
        self._current.set(None)
        self.calls.append(f"suspend {unit.id if unit else None}")
        return unit

    def resume(self, suspended: Any) -> None:
        self._current.set(suspended)
        self.calls.append(f"resume {suspended.id if suspended else None}")


class Settlement:
    """A participant that is only there to be enlisted."""

    resource = "bus:test"
    two_phase = True

    def prepare(self, branch: str) -> Vote:
        return Vote.PREPARED

    def commit(self, branch: str, *, one_phase: bool = False) -> None: ...

    def rollback(self, branch: str) -> None: ...
