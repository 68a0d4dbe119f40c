r"""The receiving end of the links of one bus: its door, its intake, and the sessions in between (BUS-9, BUS-11).

::

    login --door--> session --transfers--> intake: arrival --fits--> stored where it belongs
                                                        `--else--> unfit: an exception destination, or it waits
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import final

from connector.errors import ConnectionFailed, LoginRefused, Reason
from connector.spi import AuthenticationData, IdentityService, ServerPrincipal
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.exceptions import FailureHandling
from connector_bus.links.arrival import LinkArrivals
from connector_bus.links.contract import LinkSession
from connector_bus.links.door import LinkDoor
from connector_bus.links.exploration import NOT_TOLD, Question, RouteExplorer, Stage
from connector_bus.links.intake import LinkIntake
from connector_bus.links.line import MAX_ENGINES, Line
from connector_bus.links.peer import LinkPeer, NetworkPeer
from connector_bus.links.receiver_session import ReceiverSession
from connector_bus.links.transfer import Answer, Login, Transfer
from connector_bus.links.unfit import UnfitArrivals

TOO_MANY_SESSIONS = Reason(
    "CF-BUS-451",
    "bus {peer} has {limit} engines on the link with bus {bus} already",
    "End some; each container of a bus is one engine.",
)


@final
class LinkReceiver:
    """The entrance of one bus; implements `connector_bus.links.contract.LinkEntrance`. Safe to use from any thread.

    Args:
        engine: The engine.
        failures: Makes the faults.
        server: This engine's own identity.
        identity: Who is who.
        authentication_data: User and password of an alias.
        explorer: Tells where messages would go.

    Mutable state: `_lines`, which only grows, under `_lock`; each line under its own lock.
    """

    def __init__(
        self,
        engine: BusEngine,
        failures: FailureHandling,
        server: ServerPrincipal,
        identity: IdentityService,
        authentication_data: Callable[[str], AuthenticationData],
        explorer: RouteExplorer,
    ) -> None:
        self.explorer = explorer
        self._engine = engine
        self._door = door = LinkDoor(engine, identity, authentication_data)
        self._arrivals = arrivals = LinkArrivals(engine, server, identity, door)
        self._intake = LinkIntake(engine, door, arrivals, UnfitArrivals(engine, failures, arrivals))
        self._lock = threading.Lock()
        self._lines: dict[str, Line] = {}

    def open(self, login: Login) -> LinkSession:
        """Let an engine in. Blocks for the registry and the store. Raises LoginRefused CF-BUS-202 to -204, -451."""
        return self._begin(login, authenticated=self._door.authenticate(login))

    def open_from_network(self, login: Login, peer: NetworkPeer) -> ReceiverSession:
        """Let an engine in that has come over a chain, and signed on there. Blocks for the store.

        Raises LoginRefused CF-BUS-202 to -204, -440 to -442, -451, -535.
        """
        return self._begin(login, authenticated=self._door.authenticate_from_network(login, peer))

    def _begin(self, login: Login, *, authenticated: bool) -> ReceiverSession:
        with self._lock:
            line = self._lines.setdefault(login.bus, Line())
        session = ReceiverSession(self, line, login, authenticated=authenticated)
        if not line.begin(login.engine, session):
            raise LoginRefused(TOO_MANY_SESSIONS, bus=self._engine.name, peer=login.bus, limit=MAX_ENGINES)
        with line.taking:
            line.seen |= self._engine.store.received(login.bus)
        return session

    def sessions(self, peer: str) -> int:
        """How many engines of a bus have a session."""
        line = self._lines.get(peer)
        return 0 if line is None else len(line)

    def end(self, peer: str) -> None:
        """End the sessions with a bus, since its link has changed: their engines sign on again. Does not block."""
        line = self._lines.get(peer)
        if line is not None:
            line.end()

    def explore(self, session: ReceiverSession, question: Question) -> Sequence[Stage]:
        """Say what would become of a message."""
        engine = self._engine
        if engine.access.active and not session.authenticated:
            raise ConnectionFailed(NOT_TOLD, bus=engine.name, peer=session.peer)
        stages = self.explorer.answer(question, *self._arrivals.identity_of(session, question.identity))
        # Rules are a container's own affair, which has administrators of its own.
        return stages if session.is_within else [replace(each, rule="", assignment="") for each in stages]

    def forget(self, peer: str, seen: set[str], transfers: Collection[str]) -> None:
        """See `LinkIntake.forget`."""
        self._intake.forget(peer, seen, transfers)

    def take_first(
        self, session: LinkPeer, transfers: Sequence[Transfer], *, wait: bool, divert: bool = True
    ) -> list[Answer]:
        """See `LinkIntake.take_first`."""
        return self._intake.take_first(session, transfers, wait=wait, divert=divert)
