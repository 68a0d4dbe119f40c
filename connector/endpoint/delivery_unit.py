"""The unit of work of one delivery: begun, joined or kept away, and ended as the delivery ended (FLOW-8)."""

from __future__ import annotations

import logging
from typing import Any, final

from connector.endpoint.units import UnitPlan, Units, plan_unit
from connector.errors import ConnectorError, DeliveryError, Reason, TransactionError
from connector.spi import TransactionParticipant, UnitOfWork

_log = logging.getLogger("connector.endpoint")

ROLLBACK_ONLY = Reason(
    "CF-ENDP-022",
    "the delivery to {application}:{activation} is rolled back: its unit of work was set rollback-only.",
    "The handler asked for that, or something in the unit broke; the message is delivered again.",
)
NOT_TRANSACTED = Reason(
    "CF-ENDP-023",
    "the handler of {application}:{activation} asked for a rollback, but it is not transacted.",
    "Declare it with transacted=True, or raise to have the message delivered again.",
)
NOT_COMMITTED = Reason(
    "CF-ENDP-024",
    "the delivery to {application}:{activation} is rolled back: its unit of work could not be committed: {cause}",
    "See the cause; the message is delivered again.",
)


DELIVERY_OVER = Reason(
    "CF-ENDP-025",
    "the delivery to {application}:{activation} has ended, and can't be rolled back any more.",
    "Ask for it before the handler returns; a task or thread that it begins must be waited for.",
)


@final
class DeliveryUnit:
    """What one delivery does about units of work, from its begin to its end; used by one thread at a time.

    Args:
        units: The container's transactions; None where there are none: nothing is done about units then.
        transacted: Whether the handler wants one.
        participant: The adapter's part in it; None for none.
        timeout: Seconds for a unit that is begun here; None for the default.
        names: `application` and `activation`, for the errors.

    Attributes:
        failure: Why the delivery has failed; None while it hasn't.
    """

    def __init__(
        self,
        units: Units | None,
        *,
        transacted: bool,
        participant: TransactionParticipant | None,
        timeout: float | None,
        names: dict[str, str],
    ) -> None:
        self._units = units
        self._transacted = transacted
        self._participant = participant
        self._timeout = timeout
        self._names = names
        self._plan = UnitPlan.NOTHING
        self._unit: UnitOfWork | None = None
        self._suspended: Any = None
        self._rollback_only = False
        self._over = False
        self.failure: BaseException | None = None

    @property
    def unit(self) -> UnitOfWork | None:
        """The unit that the handler runs in; None where it runs in none."""
        return self._unit

    def begin(self) -> None:
        """Put the unit in force that the table of `units` says. Raises TransactionError where it can't begin."""
        units = self._units
        if units is None:
            return
        source = units.current()
        self._plan = plan_unit(transacted=self._transacted, source=source is not None)
        if self._plan is UnitPlan.JOIN:
            self._unit = source
        elif self._plan is UnitPlan.SUSPEND:
            self._suspended = units.suspend()
        elif self._plan is UnitPlan.BEGIN:
            self._begin(units)

    def set_rollback_only(self) -> None:
        """However the handler ends, the delivery has failed. Raises TransactionError where it is not transacted
        (CF-ENDP-023: there is nothing to roll back), and after its end (CF-ENDP-025).
        """
        if not self._transacted:
            raise TransactionError(NOT_TRANSACTED, application=self._application, activation=self._activation)
        if self._over:
            raise TransactionError(DELIVERY_OVER, application=self._application, activation=self._activation)
        self._rollback_only = True
        if self._unit is not None:
            self._unit.set_rollback_only()

    def require_committable(self) -> None:
        """Raise DeliveryError (CF-ENDP-022) where the delivery can only be rolled back any more."""
        if self._rollback_only or (self._unit is not None and self._unit.rollback_only):
            raise DeliveryError(ROLLBACK_ONLY, application=self._application, activation=self._activation)

    def failed(self, error: BaseException) -> None:
        """The delivery has failed: whatever is in the unit goes. The first error is the one that counts."""
        if self.failure is None:
            self.failure = error
        if self._unit is not None:
            self._unit.set_rollback_only()

    def end(self) -> None:
        """End what `begin` began, by the outcome so far. Blocks for the participants.

        Raises what the delivery failed by, if it failed; DeliveryError (CF-ENDP-022, -024) where its unit could not
        be committed. What it raises, it raises after everything has been put back.
        """
        self._over = True
        units, unit = self._units, self._unit
        if units is None:
            if self.failure is None:
                self._check_before_the_end()
            self._tell()
            return
        if self._plan is UnitPlan.SUSPEND:
            units.resume(self._suspended)
        elif unit is not None:
            if self.failure is None:
                self._check_before_the_end()
            if self._plan is UnitPlan.BEGIN:
                self._finish(units, unit)
        self._tell()

    def abandon(self) -> None:
        """Roll back, or put back what was suspended, without telling anybody: the endpoint was released in between.

        Raises nothing. A joined unit is the source's own; it is only made to end in no other way than rolled back.
        """
        self._over = True
        if self._unit is not None:
            self._unit.set_rollback_only()
        if self._units is None:
            return
        if self._plan is UnitPlan.SUSPEND:
            self._units.resume(self._suspended)
        elif self._plan is UnitPlan.BEGIN and self._unit is not None:
            self._roll_back(self._units, self._unit)

    def _begin(self, units: Units) -> None:
        unit = units.begin(self._timeout)
        if self._participant is not None:
            try:
                unit.enlist(self._participant)
            except BaseException:
                self._roll_back(units, unit)
                raise
        self._unit = unit

    def _check_before_the_end(self) -> None:
        try:
            self.require_committable()
        except DeliveryError as error:
            self.failure = error

    def _finish(self, units: Units, unit: UnitOfWork) -> None:
        if self.failure is not None:
            self._roll_back(units, unit)
            return
        try:
            units.commit(unit)
        except Exception as error:  # noqa: BLE001 - whatever kept it from being committed, the message comes again
            cause = f"{error.code}: {error.text}" if isinstance(error, ConnectorError) else type(error).__name__
            failure = DeliveryError(
                NOT_COMMITTED, application=self._application, activation=self._activation, cause=cause
            )
            failure.__cause__ = error
            self.failure = failure

    def _roll_back(self, units: Units, unit: UnitOfWork) -> None:
        try:
            units.rollback(unit)
        except Exception as error:  # noqa: BLE001 - the delivery has failed already; that is what is told
            _log.error("a unit of %s:%s: the rollback raised %s", self._application, self._activation, _kind(error))

    def _tell(self) -> None:
        if self.failure is not None:
            raise self.failure

    @property
    def _application(self) -> str:
        return self._names["application"]

    @property
    def _activation(self) -> str:
        return self._names["activation"]


def _kind(error: BaseException) -> str:
    return error.code if isinstance(error, ConnectorError) else type(error).__name__
