"""The links and pings of one connection: which of them an event of the engine is for, and how the library lets go."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol, final

from connector.errors import ConnectorError
from connector_amqp.refusals import Condition, condition_of


class WireLink(Protocol):
    """What a link is told. On the loop."""

    def on_attached(self) -> None:
        """The broker has answered the attach."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery."""

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended the link, or its session."""

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""


@final
class WireLinks:
    """Those that are open, by the library's pointers. For the adapter's loop only.

    Mutable state: `_links`, each with its session's pointer; `_pings`, the sessions that begin only to end.
    """

    def __init__(self) -> None:
        self._links: dict[Any, tuple[Any, WireLink]] = {}
        self._pings: dict[Any, asyncio.Future[None]] = {}

    def add(self, link: Any, handler: WireLink) -> None:
        """Tell a link's events to this handler from now on."""
        self._links[link._impl] = (link.session._impl, handler)

    def ping(self, session: Any) -> asyncio.Future[None]:
        """Done when that session, which was opened just now, has begun and ended."""
        answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._pings[session._impl] = answered
        return answered

    def lose(self, error: ConnectorError) -> None:
        """The connection is no more; tells everybody."""
        for answered in self._pings.values():
            if not answered.done():
                answered.set_exception(error)
        self._pings.clear()
        links, self._links = list(self._links.values()), {}
        for _, handler in links:
            handler.on_lost(error)

    # --- events -------------------------------------------------------------------------------------------------------

    def on_event(self, name: str, event: Any) -> None:
        """One event of the library; those of connections are not for here."""
        if name == "PN_SESSION_REMOTE_OPEN":
            if event.session._impl in self._pings:
                event.session.close()  # not before: ended sessions have no number any more that an answer could name
        elif name == "PN_SESSION_REMOTE_CLOSE":
            self._on_session_end(event.session)
        elif name in ("PN_LINK_REMOTE_CLOSE", "PN_LINK_REMOTE_DETACH"):
            self._on_link_end(event.link)
        elif name.startswith("PN_LINK_") or name == "PN_DELIVERY":
            self._on_link_event(name, event)

    def _on_session_end(self, session: Any) -> None:
        ended, condition = session._impl, condition_of(session.remote_condition)
        answered = self._pings.pop(ended, None)
        if answered is not None and not answered.done():
            answered.set_result(None)
        for key in [key for key, (owner, _) in self._links.items() if owner == ended]:
            self._links.pop(key)[1].on_ended(condition)
        session.close()
        session.free()

    def _on_link_end(self, link: Any) -> None:
        _, handler = self._links.pop(link._impl, (None, None))
        condition = condition_of(link.remote_condition)
        link.close()
        session = link.session
        link.free()
        session.close()
        if handler is not None:
            handler.on_ended(condition)

    def _on_link_event(self, name: str, event: Any) -> None:
        _, handler = self._links.get(event.link._impl, (None, None))
        if handler is None:
            return
        if name == "PN_LINK_REMOTE_OPEN":
            handler.on_attached()
        elif name == "PN_LINK_FLOW":
            handler.on_flow()
        elif name == "PN_DELIVERY":
            handler.on_delivery(event.delivery)
