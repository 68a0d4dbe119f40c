"""One thread that looks after all pools of a container (POOL-2). It holds no lock while a pool is looked after."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from contextvars import Context
from threading import Condition, Thread
from typing import Protocol, final

from connector.spi import Clock

_log = logging.getLogger("connector.pool")

#: Seconds that it sleeps at most: pools that are made meanwhile are looked after so soon.
LONGEST_SLEEP = 60.0
#: Seconds that it sleeps at least, whatever a pool asks for.
SHORTEST_SLEEP = 0.05


class LookedAfter(Protocol):
    """A pool, as the housekeeper sees it."""

    def upkeep(self) -> float:
        """Do what is due; answers after how many seconds it is due again."""
        ...


@final
class Housekeeper:
    """Calls `upkeep` of each pool when it is due, one after the other, on a daemon thread of its own.

    A pool whose external system hangs holds up the others' upkeep, not their lending. The thread runs under no
    identity: what it opens it signs on by plans that were made before (`PoolSettings.min_size`).

    Args:
        name: The thread's name.
        clock: Where the time comes from.
    """

    # Mutable state: `_due`, `_ended` and `_thread`, changed under `_changed`.

    def __init__(self, name: str, clock: Clock) -> None:
        self._name = name
        self._clock = clock
        self._changed = Condition()
        self._due: dict[LookedAfter, float] = {}
        self._ended = False
        self._thread: Thread | None = None

    def add(self, pools: Iterable[LookedAfter]) -> None:
        """Look after these as well, beginning now. Does not block."""
        with self._changed:
            now = self._clock.monotonic()
            self._due.update(dict.fromkeys(pools, now))
            self._changed.notify()

    def start(self) -> None:
        """Start the thread, if it is not running. Does not block."""
        with self._changed:
            if self._thread is not None or self._ended:
                return
            # Its context is empty: the caller of whoever opens a container is not the container's own.
            self._thread = Thread(target=Context().run, args=(self._run,), name=self._name, daemon=True)
            self._thread.start()

    def close(self, timeout: float = 1.0) -> None:
        """End it. Blocks up to `timeout` seconds for an upkeep that is under way; harmless when called twice."""
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(timeout)

    def run_due(self) -> float:
        """Look after the pools that are due; answers after how many seconds the next one is. Blocks for their upkeep.

        What an upkeep raises is logged, and it is tried again later.
        """
        with self._changed:
            now = self._clock.monotonic()
            due = [pool for pool, when in self._due.items() if when <= now]
        for pool in due:
            if self._ended:
                break
            try:
                pause = pool.upkeep()
            except BaseException as error:  # noqa: BLE001 - a defect, or an adapter's: the thread and the others go on
                _log.warning("looking after %r failed: %s", pool, type(error).__name__)
                pause = LONGEST_SLEEP
            with self._changed:
                self._due[pool] = self._clock.monotonic() + max(pause, SHORTEST_SLEEP)
        with self._changed:
            now = self._clock.monotonic()
            nearest = min(self._due.values(), default=now + LONGEST_SLEEP) - now
        return min(max(nearest, SHORTEST_SLEEP), LONGEST_SLEEP)

    def _run(self) -> None:
        while not self._ended:
            pause = self.run_due()
            with self._changed:
                if not self._ended:
                    self._changed.wait(pause)
