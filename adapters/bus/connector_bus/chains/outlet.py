"""The side of a client's socket that we write to, and how it ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, final

#: Seconds that a client has for reading our last words, and for ending what was ended from our side.
LINGER: Final = 2.0


@final
class Outlet:
    """One client's. For the chain's loop only.

    Args:
        loop: The chain's loop.

    Attributes:
        transport: The connection; None before it is made and after it is lost.
        paused: Whether the client doesn't read: nothing more is written then.
        ended: Whether all was said: what the client still writes is of no interest.
        on_room: Called when the client reads again.

    Mutable state: the attributes; `_last_words`, set once.
    """

    __slots__ = ("_last_words", "_loop", "ended", "on_room", "paused", "transport")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._last_words: asyncio.TimerHandle | None = None
        self.transport: asyncio.Transport | None = None
        self.paused = False
        self.ended = False
        self.on_room: Callable[[], None] = lambda: None

    def write(self, data: bytes) -> None:
        """Say something, while there is somebody to hear it."""
        if data and self.transport is not None:
            self.transport.write(data)

    def resume(self) -> None:
        """The client reads again."""
        self.paused = False
        self.on_room()

    def end(self) -> bool:
        """Say no more; False where that was so before. What the client still writes is taken and dropped: closed at
        once, a socket with something unread is reset, and the client never reads why it was refused.
        """
        transport = self.transport
        if transport is None or self.ended:
            return False
        self.ended = True
        if transport.can_write_eof():
            transport.write_eof()
            self.linger()
        else:
            transport.close()
        return True

    def linger(self) -> None:
        """Close in a while, whatever the client does."""
        if self._last_words is None and self.transport is not None:
            self._last_words = self._loop.call_later(LINGER, self.transport.close)

    def close(self) -> None:
        """Write out what there is to be written, and close."""
        if self.transport is not None:
            self.transport.close()

    def abort(self) -> None:
        """Close at once, whatever there is to be written or read."""
        if self.transport is not None:
            self.transport.abort()

    def expect_no_more(self) -> None:
        """It is over: the last words have been read, or never will be."""
        if self._last_words is not None:
            self._last_words.cancel()

    def lose(self) -> None:
        """The connection is no more."""
        self.transport = None
