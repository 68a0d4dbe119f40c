"""The links of one connection, found by the library's pointers: its own wrappers are made anew for each event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, final

from connector_bus.chains.link import Link


@final
class LinkTable:
    """Those that are open, or are being opened. For the chain's loop only.

    Attributes:
        takers: By link, who is told that something came of a delivery, with the library's pointer to it.

    Mutable state: `takers`; `_links`, with the session of each.
    """

    def __init__(self) -> None:
        self.takers: dict[Any, Callable[[Any], None]] = {}
        self._links: dict[Any, tuple[Any, Link]] = {}

    def __len__(self) -> int:
        return len(self._links)

    def put(self, link: Any, made: Link) -> None:
        """From now on, this is what a link of the library does."""
        self._links[link._impl] = (link.session._impl, made)
        self.takers[link._impl] = made.on_delivery

    def get(self, link: Any) -> Link | None:
        """What a link does, by the library's pointer; None for one that isn't here."""
        found = self._links.get(link)
        return None if found is None else found[1]

    def pop(self, link: Any) -> Link | None:
        """The same, and forget it."""
        self.takers.pop(link, None)
        _, made = self._links.pop(link, (None, None))
        return made

    def pop_session(self, session: Any) -> list[Link]:
        """All of a session, by the library's pointer, and forget them."""
        ended = [link for link, (its, _) in self._links.items() if its == session]
        return [made for made in map(self.pop, ended) if made is not None]

    def pop_all(self) -> list[Link]:
        """All, and forget them."""
        links = self.all()
        self._links.clear()
        self.takers.clear()
        return links

    def all(self) -> list[Link]:
        """All, as they are now."""
        return [made for _, made in self._links.values()]
