"""What a client is to its chain at one time: first somebody who says who it is, then a client of a bus, or a link."""

from __future__ import annotations

from typing import Protocol


class Stage(Protocol):
    """What takes what a client says. For the chain's loop only."""

    @property
    def is_open(self) -> bool:
        """Whether the client has been let in, or told why not: nobody waits for it to say who it is any more."""
        ...

    @property
    def is_busy(self) -> bool:
        """Whether something is on its way, in or out."""
        ...

    def feed(self, data: bytes) -> None:
        """Something came."""

    def stop(self) -> None:
        """The server stops: begin nothing new, so that what is under way can end."""

    def say_goodbye(self, reason: str) -> None:
        """It is about to be ended from our side: say why, where the client can hear it."""

    def end(self) -> None:
        """The connection is gone. Harmless when called twice."""
