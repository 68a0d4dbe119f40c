"""Deliveries of a receiving link whose outcome waits for a transaction of its client."""

from __future__ import annotations

from typing import Any, Protocol, final

from connector.errors import ConnectorError
from connector_bus.chains.conditions import Refusal
from connector_bus.chains.extensions import ACCEPTED, Outcome, transactional_of
from connector_bus.chains.lean import LeanDelivery
from connector_bus.chains.units import Units
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.queue_state import Entry


class Claimant(Protocol):
    """The link, as far as it is asked here."""

    temporary: str | None
    link: Any

    @property
    def is_closed(self) -> bool:
        """Whether it is gone."""
        ...

    def receipt(self, entry: Entry) -> Receipt:
        """A message, and of which queue."""
        ...

    def take_out(self, delivery: Any) -> Entry | None:
        """The message of a delivery that is out, which is so no more; None where it isn't."""
        ...

    def put_out(self, delivery: Any, entry: Entry) -> None:
        """A delivery is out again: the client may say what is to become of it."""

    def become(self, outcome: Outcome, entry: Entry) -> None:
        """Have become of a message what the client says, unless it has accepted it."""

    def give_back(self, entry: Entry, error: ConnectorError | None) -> None:
        """A message goes back to its place; with an error, its delivery has failed."""

    def refuse(self, refusal: Refusal) -> None:
        """End the link, and say why."""

    def go_on(self) -> None:
        """There is room for more."""

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not receive from here any more."""


@final
class Claims:
    """Those of one link. For the chain's loop only.

    Args:
        claimant: The link.
        units: The connection's transactions.

    Mutable state: `_claims`, by the library's pointer to the delivery.
    """

    def __init__(self, claimant: Claimant, units: Units) -> None:
        self._claimant = claimant
        self._units = units
        self._claims: dict[Any, _Claim] = {}

    def __len__(self) -> int:
        return len(self._claims)

    def claim(self, delivery: LeanDelivery) -> None:
        """The client has said within a transaction what is to become of a message."""
        impl, state = delivery._impl, transactional_of(delivery.remote.data)
        if self.settled(delivery):
            return
        entry = self._claimant.take_out(impl)
        if entry is None:
            return
        unit = None if state is None else self._units.get(state.unit)
        if state is None or unit is None:
            self._claimant.put_out(impl, entry)
            self._claimant.refuse(self._units.unknown(b"" if state is None else state.unit))
            return
        claim = self._claims[impl] = _Claim(self._claimant, self._claims, entry, delivery, state.outcome)
        unit.claim(claim)

    def settled(self, delivery: LeanDelivery) -> bool:
        """Note whether a delivery has been settled by the client; False where it is none of these."""
        claim = self._claims.get(delivery._impl)
        if claim is None:
            return False
        claim.settled = claim.settled or delivery.settled
        return True


@final
class _Claim:
    """One of them; outlives its link.

    Mutable state: `settled`, whether the client has.
    """

    __slots__ = ("_claimant", "_claims", "_delivery", "_entry", "outcome", "settled")

    def __init__(
        self, claimant: Claimant, claims: dict[Any, _Claim], entry: Entry, delivery: LeanDelivery, outcome: Outcome
    ) -> None:
        self._claimant = claimant
        self._claims = claims
        self._entry = entry
        self._delivery = delivery
        self.outcome = outcome
        self.settled = bool(delivery.settled)

    @property
    def receipt(self) -> Receipt:
        """Which message it is, and of which queue."""
        return self._claimant.receipt(self._entry)

    def recheck(self) -> None:
        """Raise AccessDenied where the user may not receive it any more."""
        if self._claimant.temporary is None:
            self._claimant.recheck()

    def committed(self) -> None:
        """It has become what the client said."""
        claimant = self._forgotten()
        if self.outcome.code != ACCEPTED:
            claimant.become(self.outcome, self._entry)
        if not claimant.is_closed:
            self._delivery.update(self.outcome.code or ACCEPTED)
            self._delivery.settle()
            claimant.go_on()

    def undone(self, error: ConnectorError | None) -> None:
        """Where the client still has it, it may say again what is to become of it; else it goes back, or has failed."""
        claimant = self._forgotten()
        if not self.settled and not claimant.is_closed:
            claimant.put_out(self._delivery._impl, self._entry)
            return
        claimant.give_back(self._entry, error)
        if not claimant.is_closed:
            self._delivery.settle()
            claimant.go_on()

    def _forgotten(self) -> Claimant:
        self._claims.pop(self._delivery._impl, None)
        return self._claimant
