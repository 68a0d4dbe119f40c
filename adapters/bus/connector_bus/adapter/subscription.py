"""A subscription in an application's hands."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import final

from connector.spi import Message
from connector_bus.engine.engine import BusEngine
from connector_bus.engine.subscription import OpenSubscription


@final
class BusSubscription:
    """A subscription in use by this connection; use it from one thread or task at a time, and close it.

    It ends with its connection. What is durable keeps gathering messages; what isn't is gone with its last consumer.
    When the right to it is taken away, `receive` raises the refusal from then on, also where it waits already.
    """

    __slots__ = ("_check", "_engine", "_opened")

    def __init__(self, engine: BusEngine, opened: OpenSubscription, check: Callable[[], object]) -> None:
        self._engine = engine
        self._opened = opened
        self._check = check

    @property
    def topic(self) -> str:
        """The topics that it is about, as a pattern."""
        return self._opened.subscription.pattern.text

    @property
    def name(self) -> str | None:
        """Its name; None where it has none."""
        return self._opened.subscription.record.name

    def receive(self, timeout: float | None = None) -> Message | None:
        """Take the next message; None if none came within `timeout` seconds (None: wait without limit).

        Blocks for that long, and for the disk. It is acknowledged by this; within a unit of work, or a transacted
        delivery of this bus, only with its commit.

        Raises AccessDenied CF-BUS-021 or -121 once the right is gone, MessagingError CF-BUS-036 once it is closed or
        the bus stops, HandleClosed.
        """
        self._check()
        return self._engine.take(self._opened.destination, timeout, None, self._opened.interrupt)

    def browse(self) -> Iterator[Message]:
        """What could be received now, in order, without taking it. Blocks for the disk at each message.

        Raises as `receive` does, at once.
        """
        self._check()
        self._opened.require_usable()
        return self._engine.peek(self._opened.destination)

    @property
    def closed(self) -> bool:
        """Whether it has been closed."""
        return self._opened.closed

    def close(self) -> None:
        """Use it no more. May block for the disk. Harmless when called twice."""
        self._opened.close()

    def __enter__(self) -> BusSubscription:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<BusSubscription, {'closed' if self.closed else 'open'}, {self._opened.subscription!r}>"
