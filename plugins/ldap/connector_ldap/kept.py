"""Everything in this process that keeps something of a directory, so that it can be told to forget it."""

from __future__ import annotations

from threading import Lock
from typing import Final, Protocol, final
from weakref import WeakSet


class Keeper(Protocol):
    """What keeps something of a directory. Neither method blocks."""

    def forget(self) -> None:
        """Keep nothing of what was found before now."""
        ...

    def forget_caller(self, who: str) -> None:
        """Keep nothing of one caller, told as `name@realm`."""
        ...


@final
class Keepers:
    """The keepers that are alive. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        # Mutable, under the lock: a keeper that nobody uses any more is not kept by being here.
        self._alive: WeakSet[Keeper] = WeakSet()

    def add(self, keeper: Keeper) -> None:
        """From now on it is told."""
        with self._lock:
            self._alive.add(keeper)

    def forget(self) -> None:
        """Tell all to forget everything."""
        for keeper in self._snapshot():
            keeper.forget()

    def forget_caller(self, who: str) -> None:
        """Tell all to forget one caller."""
        for keeper in self._snapshot():
            keeper.forget_caller(who)

    def _snapshot(self) -> tuple[Keeper, ...]:
        with self._lock:
            return tuple(self._alive)


#: This process's keepers.
KEEPERS: Final = Keepers()
