"""Taking over what comes over links: stored, with the note that it was, in one unit (BUS-9)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, final

from connector.errors import ConnectorError, LoginRefused, RegistryUnavailable
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.rooms import FULL
from connector_bus.links.arrival import Arrived, LinkArrivals, received
from connector_bus.links.door import LinkDoor
from connector_bus.links.peer import LinkPeer
from connector_bus.links.transfer import ACCEPTED, Answer, Transfer
from connector_bus.links.unfit import UnfitArrivals
from connector_bus.store.record import StoredMessage
from connector_bus.store.unit import StoreUnit

#: Of the store: nothing is wrong with the message, and the next session tries it again.
_OUTAGES: Final = frozenset({"CF-BUS-052", "CF-BUS-053", "CF-BUS-056", "CF-BUS-080", "CF-BUS-081", "CF-BUS-085"})


@final
class LinkIntake:
    """The intake of one bus. Immutable; the caller holds the line's lock for taking.

    Args:
        engine: The engine.
        door: The settings of the links.
        arrivals: What the messages are here.
        unfit: Where those go that can't go where they are for.
    """

    def __init__(self, engine: BusEngine, door: LinkDoor, arrivals: LinkArrivals, unfit: UnfitArrivals) -> None:
        self._engine = engine
        self._door = door
        self._arrivals = arrivals
        self._unfit = unfit

    def forget(self, peer: str, seen: set[str], transfers: Collection[str]) -> None:
        """Forget what will not be sent again. Not waited for: what is not written is only kept for longer."""
        known = [each for each in transfers if each in seen]
        if known:
            seen.difference_update(known)
            self._engine.store.submit(StoreUnit(forgotten=tuple((peer, each) for each in known)))

    def take_first(
        self, session: LinkPeer, transfers: Sequence[Transfer], *, wait: bool, divert: bool = True
    ) -> list[Answer]:
        """Store the first transfers, at least one, where they belong, and that they were taken over.

        As many as are let in without more ado go to the store as one unit, since waiting for the disk is what takes
        its time. The first one that isn't is seen to alone, as `take` does, which says what is raised. The caller holds
        the line's lock for taking.
        """
        let_in: list[tuple[Arrived, tuple[StoredMessage, ...]]] = []
        for transfer in transfers:
            arrived = self._arrivals.of(session, transfer)
            try:
                let_in.append((arrived, self._arrivals.stored(arrived)))
            except ConnectorError:
                break
        if len(let_in) > 1:
            sends = [each for _, several in let_in for each in several]
            noted = [each for arrived, several in let_in for each in received(arrived, several)]
            try:
                self._engine.commit(sends, limited=True, wait=False, received=noted)
                return [ACCEPTED] * len(let_in)
            except ConnectorError as error:
                if _is_outage(error):
                    raise
        return [self.take(session, transfers[0], wait=wait, divert=divert)]

    def take(self, session: LinkPeer, transfer: Transfer, *, wait: bool, divert: bool = True) -> Answer:
        """Store one transfer where it belongs, and that it was taken over; `wait` for a place where there is none.

        The caller holds the line's lock for taking. Raises ConnectorError for an outage: nothing was stored; and
        DestinationFull CF-BUS-173 where there is no place, if it is not to be diverted to an exception destination.
        """
        arrived = self._arrivals.of(session, transfer)
        link = self._door.link_with(arrived.peer)
        try:
            self._arrivals.commit(arrived, self._arrivals.stored(arrived), wait=wait)
            return ACCEPTED
        except ConnectorError as error:
            if _is_outage(error) or (error.code == FULL.code and not divert):
                raise
            return self._unfit.put(arrived, link, error)


def _is_outage(error: ConnectorError) -> bool:
    """Whether the failure is none of the message's: what it needs does not answer, or the link has just changed."""
    return isinstance(error, RegistryUnavailable | LoginRefused) or error.code in _OUTAGES
