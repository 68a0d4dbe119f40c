"""What a link asks of a transport: one contract for buses in one process, on one machine, and over a wire (BUS-14)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol

from connector_bus.links.exploration import Question, Stage
from connector_bus.links.transfer import Answer, Login, Transfer


class LinkSession(Protocol):
    """An open way to the other bus, for one engine; used by one thread at a time, except for `close`."""

    @property
    def endpoint(self) -> str:
        """Where the other bus was reached, in words."""
        ...

    def held(self) -> frozenset[str]:
        """The transfers that the other side has taken over and not been told to forget.

        Blocks. Raises ConnectorError where it can't be asked: the session is then over.
        """
        ...

    def transfer(self, batch: Sequence[Transfer], forget: Collection[str] = ()) -> Sequence[Answer]:
        """Hand over messages, in order; answers what became of each, up to the first one that is blocked.

        When this returns, what is accepted or refused is stored on the other side as its reliability says, once,
        however often it is sent. Blocks. Raises ConnectorError: any part of it may have been taken over, and what it
        was is found out by a new session.

        Args:
            batch: The messages.
            forget: Earlier transfers that will not be sent again.
        """
        ...

    def explore(self, question: Question) -> Sequence[Stage]:
        """What the other bus, and those behind it, say of a message that would be sent (BUS-15).

        Blocks. Raises ConnectorError where it can't be asked, or doesn't tell (CF-BUS-223).
        """
        ...

    def close(self) -> None:
        """End it; what is in progress in another thread may raise. Harmless when called twice."""
        ...


class LinkTransport(Protocol):
    """Opens sessions to one other bus. Safe to use from any thread."""

    def open(self, login: Login) -> LinkSession:
        """Sign on at the other bus; ends an earlier session of the same engine there. Blocks.

        Raises ConnectionFailed where it can't be reached, LoginRefused CF-BUS-202 to -204 where it doesn't let us in.
        """
        ...


class LinkEntrance(Protocol):
    """What a bus offers to the engines at the other ends of its links."""

    def open(self, login: Login) -> LinkSession:
        """See `LinkTransport.open`."""
        ...
