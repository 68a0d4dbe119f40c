"""The link on which a client begins and ends transactions (AMQP 1.0, part 4.2)."""

from __future__ import annotations

from typing import Any, Final, final

from connector.errors import ConnectorError
from connector_bus.chains.conditions import Refusal
from connector_bus.chains.extensions import DECLARED, Declare, request_of
from connector_bus.chains.units import Units, limit_refusal
from connector_bus.store.amqp_content import load_proton

CREDIT: Final = 100
#: Requests are small.
MAX_REQUEST: Final = 4096


@final
class CoordinatorLink:
    """One link to the coordinator; its transactions end with it. For the chain's loop only.

    Args:
        link: The library's link, open.
        units: The connection's transactions.

    Mutable state: `_closed`, `_data` of the request that is coming in.
    """

    temporary: str | None = None
    in_flight = 0

    def __init__(self, link: Any, units: Units) -> None:
        self.link = link
        self._units = units
        self._data = bytearray()
        self._closed = False

    def start(self) -> None:
        """Let the client ask."""
        self.link.flow(CREDIT)

    def on_flow(self) -> None:
        """Nothing of interest here."""

    def on_delivery(self, delivery: Any) -> None:
        """Take a request; it is answered at once, a commit when it is on disk."""
        delivery = self.link.wrapped(delivery)
        if not delivery.readable:
            return
        self._data += self.link.recv(delivery.pending) or b""
        if delivery.partial and len(self._data) <= MAX_REQUEST:
            return
        data, self._data = bytes(self._data[: MAX_REQUEST + 1]), bytearray()
        self.link.advance()
        self.link.flow(1)
        try:
            request = request_of(data)
            if isinstance(request, Declare):
                identifier = self._units.declare(self)
                delivery.local.data = [identifier]
                delivery.update(DECLARED)
                delivery.settle()
                return
        except ConnectorError as error:
            self._end(delivery, limit_refusal(error))
            return
        self._units.discharge(request.unit, fail=request.fail, ended=lambda refusal: self._end(delivery, refusal))

    def recheck(self) -> None:
        """Whoever may connect may have transactions; what is in them is checked for itself."""

    def stop(self) -> None:
        """What is open may still be ended."""

    def close(self, *, for_good: bool = False) -> None:
        """The link is gone, and with it what it has begun and not ended."""
        self._closed = True
        self._units.close(self)

    def _end(self, delivery: Any, refusal: Refusal | None) -> None:
        if self._closed:
            return
        if refusal is None:
            delivery.update(delivery.ACCEPTED)
        else:
            delivery.local.condition = load_proton().Condition(refusal.condition, refusal.description)
            delivery.update(delivery.REJECTED)
        delivery.settle()
