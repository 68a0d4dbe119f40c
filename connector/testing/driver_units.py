"""Units of work for handlers under test: as real as a test needs, without a log (`connector.endpoint.units.Units`)."""

from __future__ import annotations

from contextvars import ContextVar
from typing import final

from connector.errors import Reason, TransactionError
from connector.spi import TransactionParticipant, UnitOfWork, Vote

UNIT_ENDED = Reason("CF-KIT-020", "the unit of work {unit} has ended", "Await or join what a handler starts.")
ROLLED_BACK = Reason(
    "CF-KIT-021", "the unit of work {unit} was rolled back: {cause}", "See the cause; the test may have asked for it."
)

_CURRENT: ContextVar[DriverUnit | None] = ContextVar("connector_driver_unit", default=None)


@final
class DriverUnit:
    """One unit of work (`connector.spi.UnitOfWork`). Used by one handler at a time."""

    def __init__(self, number: int) -> None:
        self.id = f"driver-{number}"
        self.rollback_only = False
        self.outcome = ""
        self.participants: list[TransactionParticipant] = []

    @property
    def remaining(self) -> float | None:
        """It has all the time in the world."""
        return None

    @property
    def active(self) -> bool:
        """Whether it can still be worked in."""
        return not self.outcome and not self.rollback_only

    def enlist(self, participant: TransactionParticipant) -> None:
        """Take part. Raises TransactionError (CF-KIT-020) once it has ended."""
        if self.outcome:
            raise TransactionError(UNIT_ENDED, unit=self.id)
        if participant not in self.participants:
            self.participants.append(participant)

    def set_rollback_only(self) -> None:
        """It can only be rolled back any more."""
        self.rollback_only = True


@final
class DriverUnits:
    """Begins and ends units in memory. Safe to use from any thread.

    Attributes:
        begun: All units so far.
    """

    def __init__(self) -> None:
        self.begun: list[DriverUnit] = []

    def current(self) -> DriverUnit | None:
        """The unit in force here."""
        return _CURRENT.get()

    def begin(self, timeout: float | None = None) -> DriverUnit:
        """A unit, in force here; it has all the time in the world."""
        unit = DriverUnit(len(self.begun) + 1)
        self.begun.append(unit)
        _CURRENT.set(unit)
        return unit

    def commit(self, unit: UnitOfWork) -> None:
        """Ask all, then commit all. Raises TransactionError (CF-KIT-021) where one says no."""
        assert isinstance(unit, DriverUnit)
        _CURRENT.set(None)
        if unit.rollback_only:
            self._roll_back(unit)
            raise TransactionError(ROLLED_BACK, unit=unit.id, cause="it was set rollback-only")
        try:
            votes = [(each, each.prepare(unit.id)) for each in unit.participants if each.two_phase]
        except Exception as error:
            self._roll_back(unit)
            raise TransactionError(ROLLED_BACK, unit=unit.id, cause=type(error).__name__) from error
        unit.outcome = "committed"
        for participant in unit.participants:
            if not participant.two_phase:
                participant.commit(unit.id, one_phase=True)
        for participant, vote in votes:
            if vote is Vote.PREPARED:
                participant.commit(unit.id)

    def rollback(self, unit: UnitOfWork) -> None:
        """Undo what all have done."""
        assert isinstance(unit, DriverUnit)
        _CURRENT.set(None)
        if not unit.outcome:
            self._roll_back(unit)

    def suspend(self) -> DriverUnit | None:
        """None is in force here, until `resume`."""
        unit = _CURRENT.get()
        _CURRENT.set(None)
        return unit

    def resume(self, suspended: DriverUnit | None) -> None:
        """It is in force again."""
        _CURRENT.set(suspended)

    def _roll_back(self, unit: DriverUnit) -> None:
        unit.outcome = "rolled back"
        for participant in unit.participants:
            participant.rollback(unit.id)
