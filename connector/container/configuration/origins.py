"""Who said what: the place of every key of a configuration that was put together from several sources."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from connector.container.configuration.key_paths import KeyPath, show_key_path

#: What stands for a file where there is none.
ENVIRONMENT = "environment"
OVERRIDES = "overrides"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a key stands.

    Attributes:
        file: The file's path as given, `"environment"` or `"overrides"`.
        line: Counted from 1; None where there is no line.
        root: How many leading parts of the key path are not written in that file: an application's descriptor says
            `references.x`, which is `applications.NAME.references.x` of the whole.
        variable: The environment variable, for keys that come from one.
    """

    file: str
    line: int | None
    root: int = 0
    variable: str = ""


class Origins:
    """Key path to place; a path that nobody wrote has the place of its nearest parent.

    Filled while loading, by one thread; only read afterwards, and then safe to share.
    """

    def __init__(self, top: Place) -> None:
        self._places: dict[KeyPath, Place] = {(): top}

    def record(self, path: KeyPath, place: Place) -> None:
        """Note who said `path`; a later source wins, for everything below the path as well where it had a place."""
        for below in [known for known in self._places if known[: len(path)] == path and known]:
            del self._places[below]
        self._places[path] = place

    def record_all(self, places: Iterable[tuple[KeyPath, Place]]) -> None:
        """Note many places of one source; unlike `record` it leaves what other sources said below them."""
        self._places.update(places)

    def has(self, path: KeyPath) -> bool:
        """Whether somebody wrote exactly this path."""
        return path in self._places

    def of_shown(self, shown: str) -> Place:
        """The same for a path as people read it, the way adapters report their sections' mistakes."""
        best, place = 0, self._places[()]
        for path, candidate in self._places.items():
            text = show_key_path(path)
            if len(text) > best and (shown == text or shown.startswith((f"{text}.", f"{text}["))):
                best, place = len(text), candidate
        return place

    def of(self, path: KeyPath) -> Place:
        """The place of a path, or of its nearest parent that has one."""
        while path not in self._places:
            path = path[:-1]
        return self._places[path]
