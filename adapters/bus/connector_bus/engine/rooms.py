"""How many messages a destination may hold, and the waiting for a place where it is full (BUS-1)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, final

from connector.errors import MessagingError, Reason
from connector.spi import Clock
from connector_bus.engine.delivery_unit import Receipt
from connector_bus.engine.destination import Destination
from connector_bus.reliability import Reliability
from connector_bus.settings import DestinationSettings
from connector_bus.store.record import StoredMessage

FULL: Final = Reason(
    "CF-BUS-173",
    "{destination} on bus {bus} is full: it holds {limit} messages, and no more are let in",
    "Send again later, see to it that somebody consumes there, or raise max_depth of the destination.",
)


class DestinationFull(MessagingError):
    """A destination holds as many messages as it may: nothing was sent, and trying again later may help."""

    retryable = True


@final
class Rooms:
    """The places of all destinations of one engine that have a limit. Safe to use from any thread.

    What counts is what is on a destination, whether it can be had, is in delivery, awaits mediations or is not due
    yet, and what is on its way in. Where other engines work on the store as well the limit is not exact: each looks,
    and then stores.

    Args:
        bus: The bus, for errors.
        find: The destination of a name, or None.
        clock: For the time that a sender has waited.
        waits: Whether it is known when a place becomes free: not where other engines take messages as well.

    Attributes:
        are_limited: Whether any destination has a limit; else nothing here need be asked.

    Mutable state: `_coming`, by destination, `_closed`, changed under `_changed`; `are_limited`, only ever set.
    """

    def __init__(self, bus: str, find: Callable[[str], Destination | None], clock: Clock, *, waits: bool) -> None:
        self._clock = clock
        self._bus = bus
        self._find = find
        self._waits = waits
        self._changed = threading.Condition()
        self._coming: Counter[str] = Counter()
        self._closed = False
        self.are_limited = False

    def limit(self, settings: DestinationSettings) -> None:
        """There is a destination with these settings from now on. Does not block."""
        self.are_limited = self.are_limited or settings.max_depth is not None

    def admit(
        self, sends: Sequence[StoredMessage], receipts: Sequence[Receipt], *, wait: bool
    ) -> tuple[Sequence[StoredMessage], Counter[str], int]:
        """Take places for messages that are about to be stored.

        What leaves with the same unit makes room for it. Blocks for up to the `send_timeout` of a full destination if
        `wait` is true.

        Answers which messages are let in, the places to be given back by `entered` once they are on their queues or
        it has failed, and how many messages were dropped for want of a place: best-effort ones, and copies for
        subscriptions that aren't durable, which hold up neither the sender nor the others.

        Raises DestinationFull CF-BUS-173.
        """
        limits = {stored.destination: self._limit(stored.destination) for stored in sends}
        if not any(limits.values()):
            return sends, Counter(), 0
        leaving = Counter(queue.name for queue, _ in receipts)
        began = self._clock.monotonic()
        with self._changed:
            while True:
                kept, needed, full = self._fitting(sends, limits, leaving)
                if full is None:
                    self._coming += needed
                    return kept, needed, len(sends) - len(kept)
                settings = full.settings
                assert settings is not None
                left = began + settings.send_timeout - self._clock.monotonic()
                patient = wait and self._waits and not self._closed and left > 0
                if not (patient and self._changed.wait(left)):
                    raise DestinationFull(FULL, destination=full.name, bus=self._bus, limit=settings.max_depth)

    def entered(self, needed: Counter[str]) -> None:
        """Messages that were let in are on their queues, or will not come. Does not block."""
        if needed:
            with self._changed:
                self._coming -= needed
                self._changed.notify_all()

    def freed(self) -> None:
        """Messages have left their destinations. Does not block."""
        with self._changed:
            self._changed.notify_all()

    def close(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _fitting(
        self, sends: Sequence[StoredMessage], limits: dict[str, Destination | None], leaving: Counter[str]
    ) -> tuple[list[StoredMessage], Counter[str], Destination | None]:
        """Which messages there is room for, the places that they need, and a full destination that hinders all."""
        depths = {name: depth(each) + self._coming[name] - leaving[name] for name, each in limits.items() if each}
        kept, needed = list[StoredMessage](), Counter[str]()
        for stored in sends:
            name = stored.destination
            destination = limits[name]
            if destination is not None:
                assert destination.settings is not None
                assert destination.settings.max_depth is not None
                if depths[name] + needed[name] >= destination.settings.max_depth:
                    if destination.settings.drops_when_full or stored.reliability is Reliability.BEST_EFFORT:
                        continue
                    return [], Counter(), destination
                needed[name] += 1
            kept.append(stored)
        return kept, needed, None

    def _limit(self, name: str) -> Destination | None:
        """The destination, if it has a limit."""
        found = self._find(name)
        return None if found is None or found.settings is None or found.settings.max_depth is None else found


def depth(destination: Destination) -> int:
    """How many messages are on a destination. Blocks for the database where other engines have them as well."""
    sides = [side for side in (destination.queue, destination.unmediated) if side is not None]
    return sum(sum(side.counts()) + side.delayed for side in sides)
