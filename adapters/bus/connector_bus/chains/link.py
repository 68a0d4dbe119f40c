"""What the links of a client have in common, whichever way messages go over them."""

from __future__ import annotations

from typing import Any, Protocol


class Link(Protocol):
    """What sender, receiver and browser have in common."""

    temporary: str | None
    link: Any

    @property
    def in_flight(self) -> int:
        """How many messages are on their way, and not settled."""
        ...

    def start(self) -> None:
        """The link has been opened."""

    def on_flow(self) -> None:
        """Credit has changed."""

    def on_delivery(self, delivery: Any) -> None:
        """Something came of a delivery, which is the library's pointer."""

    def recheck(self) -> None:
        """Raise ConnectorError where the user may not have it any more."""

    def stop(self) -> None:
        """Begin nothing new: the server stops."""

    def close(self, *, for_good: bool = False) -> None:
        """The link is over."""
