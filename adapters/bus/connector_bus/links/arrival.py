"""What comes over a link, as this bus sees it: whose it is, where it goes, and what is noted of it (BUS-9, BUS-11).

The second of the two stages is here: the identity in the message, as it is once the link's rules are applied, needs the
sender role on the destination itself, by this bus's own policy. Where it is for a further bus, it needs what a local
sender needs for that: each bus on the way asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from connector.errors import MessagingError
from connector.spi import UNAUTHENTICATED, IdentityService, Principal, ServerPrincipal
from connector_bus.engine.destination import is_reply_queue
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.failure import is_fault
from connector_bus.engine.forward_path import HOP_LIMIT, TOO_MANY_HOPS, Arrival
from connector_bus.engine.ways_out import AT
from connector_bus.links.door import LinkDoor
from connector_bus.links.identity import arriving_as
from connector_bus.links.peer import LinkPeer
from connector_bus.links.transfer import Transfer
from connector_bus.store.record import StoredMessage


@dataclass(frozen=True, slots=True)
class Arrived:
    """One transfer with what this bus makes of it.

    Attributes:
        transfer: As it came.
        peer: The bus at the other end.
        identity: Whose it is here.
        is_fault: Whether it is a fault of an engine for a requester of this bus.
    """

    transfer: Transfer
    peer: str
    identity: Principal
    is_fault: bool


@final
class LinkArrivals:
    """What comes to one bus. Immutable, safe to use from any thread.

    Args:
        engine: The engine.
        server: This engine's own identity.
        identity: Who is who.
        door: The settings of the links.
    """

    def __init__(self, engine: BusEngine, server: ServerPrincipal, identity: IdentityService, door: LinkDoor) -> None:
        self._engine = engine
        self._server = server
        self._identity = identity
        self._door = door

    def of(self, session: LinkPeer, transfer: Transfer) -> Arrived:
        """A transfer, with whose it is here."""
        access, peer = self._engine.access, session.peer
        came = transfer.header.identity or UNAUTHENTICATED
        fault = (
            is_fault(transfer.header)
            and is_reply_queue(transfer.destination)
            and (session.authenticated or not access.active)
        )
        if fault:
            # Whoever is authenticated as an engine may say that a request has failed; to nobody but a requester.
            return Arrived(transfer, peer, self._server, is_fault=True)
        return Arrived(transfer, peer, self.identity_of(session, came)[0], is_fault=False)

    def identity_of(self, session: LinkPeer, came: Principal) -> tuple[Principal, str]:
        """Whose something is here that came as somebody's, and why, where it isn't the same."""
        return arriving_as(
            came,
            self._door.link_with(session.peer).inbound_user,
            secured=self._engine.access.active,
            authenticated=session.authenticated,
            realm=self._identity.realm,
            trusted_realms=self._identity.trusted_realms,
        )

    def name_of(self, transfer: Transfer) -> str:
        """The destination by the name that this bus has for it."""
        here = transfer.bus == self._engine.name
        return transfer.destination if here else f"{transfer.destination}{AT}{transfer.bus}"

    def stored(self, arrived: Arrived) -> tuple[StoredMessage, ...]:
        """The message as this bus stores it, here or on its way to a further bus, once its identity has passed.

        Raises what refuses it.
        """
        engine, transfer = self._engine, arrived.transfer
        if transfer.hops >= HOP_LIMIT:
            raise MessagingError(TOO_MANY_HOPS, bus=engine.name, limit=HOP_LIMIT)
        header = engine.ways.arriving(transfer.header).replace(body=transfer.content)
        name = self.name_of(transfer)
        if arrived.is_fault:
            arrival = Arrival(engine.destinations.route(name), name, header.replace(forward_path=()), 0)
        else:
            arrival = engine.follow(engine.access.subject_of(arrived.identity), name, header)
        accepted = engine.accept(
            arrival.message,
            arrival.name,
            arrived.identity,
            message_id=header.message_id,
            timestamp=header.timestamp,
            hops=transfer.hops + 1 + arrival.passed,
            reliability=transfer.reliability,
        )
        return engine.fan_out(arrival.route, replace(accepted, origin=arrived.peer))

    def commit(
        self, arrived: Arrived, sends: Sequence[StoredMessage], *, limited: bool = True, wait: bool = True
    ) -> None:
        """Store what has become of a transfer, and that it was taken over. Blocks for the disk."""
        self._engine.commit(sends, limited=limited, wait=wait, received=received(arrived, sends))


def received(arrived: Arrived, sends: Sequence[StoredMessage]) -> tuple[tuple[str, str], ...]:
    """What is noted of a transfer that is taken over: nothing where its messages don't outlive the engine either, or
    where the other side doesn't number them.
    """
    durable = any(each.reliability.is_persistent and not is_reply_queue(each.destination) for each in sends)
    return ((arrived.peer, arrived.transfer.id),) if durable and arrived.transfer.id else ()
