"""What sending and receiving links have in common: attach, being refused, ending."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from typing import Any

from connector.errors import ConnectorError
from connector_amqp.refusals import Condition, refusal
from connector_amqp.wire import Wire


class BrokerLink(ABC):
    """One link on a session of its own. For the adapter's loop only.

    Args:
        wire: The connection.
        what: What it is for, for errors: "sending to requests".

    Mutable state: `_link` and `_session`; `_ended`, why it is no more; `_changed`, whoever waits for a change.
    """

    def __init__(self, wire: Wire, what: str) -> None:
        self.wire = wire
        self.what = what
        # In this order, in which they are let go of: the library ends the links of a session that nobody holds any
        # more, also those that somebody does, whose memory is then somebody else's.
        self._link: Any = None
        self._session: Any = None
        self._ended: tuple[str, ConnectorError | Condition | None] | None = None
        self._attached = False
        self._waiting: set[asyncio.Future[None]] = set()

    @property
    def stands(self) -> bool:
        """Whether it is open on both sides."""
        return self._attached and self._ended is None

    async def open(self) -> None:
        """Attach, and wait for the broker's answer. Raises what the broker refuses, ConnectionFailed CF-AMQP-023."""
        self._session = self.wire.new_session()
        self._link = self._make(self._session)
        self.wire.add(self._link, self)
        self._link.open()
        self.wire.flush()
        try:
            while not self._attached:
                await self._change()
            self._check()
        except BaseException:
            self.close()  # who does not wait any more would not find it
            raise

    def close(self) -> None:
        """End it; does not wait for the broker's answer. Harmless when called twice."""
        if self._ended is None:
            self._ended = ("closed", None)
            if self._link is not None and self.wire.lost_because is None:
                self._link.close()
                self.wire.flush()
        self._wake()

    def error(self) -> ConnectorError:
        """Why it is no more."""
        found = None if self._ended is None else self._ended[1]
        if isinstance(found, ConnectorError):
            return self.wire.error()
        return refusal(self.wire.broker, self.what, found)

    # --- of the kinds of links ----------------------------------------------------------------------------------------

    @abstractmethod
    def _make(self, session: Any) -> Any:
        """The library's link on a session, not open yet."""

    @abstractmethod
    def _is_refused(self) -> bool:
        """Whether the broker's attach says that a detach with the reason follows."""

    # --- told by the wire ---------------------------------------------------------------------------------------------

    def on_attached(self) -> None:
        """The broker has answered; one without a terminus is a refusal, whose reason comes next."""
        if not self._is_refused():
            self._attached = True
            self._wake()

    def on_flow(self) -> None:
        """Credit has changed."""
        self._wake()

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery."""

    def on_ended(self, condition: Condition | None) -> None:
        """The broker has ended it."""
        if self._ended is None:
            self._ended = ("by the broker", condition)
        self._wake()

    def on_lost(self, error: ConnectorError) -> None:
        """The connection is no more."""
        if self._ended is None:
            self._ended = ("lost", error)
        self._wake()

    # --- waiting ------------------------------------------------------------------------------------------------------

    def _check(self) -> None:
        if self._ended is not None:
            raise self.error()

    async def _change(self) -> None:
        """Wait for whatever changes. Raises why it is no more."""
        self._check()
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.add(changed)
        try:
            await changed
        finally:
            self._waiting.discard(changed)
        self._check()

    def _wake(self) -> None:
        for waiting in self._waiting:
            if not waiting.done():
                waiting.set_result(None)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.what}>"
