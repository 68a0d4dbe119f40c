"""Ctrl-C between two parts of a long work: the part under way is finished, so that what was done is known (BUS-12)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def interruptible(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """While it lasts, the first Ctrl-C is only remembered; a second one is as always. Answers whether there was one.

    On any other thread than the main one, which alone hears of signals, nothing is changed; nor where Ctrl-C is handled
    by something that is not Python, such as a program that Python is embedded in: that could not be brought back.

    Args:
        tell: Called at the first Ctrl-C.
    """
    was_asked = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is None or threading.current_thread() is not threading.main_thread():
        yield was_asked.is_set
        return

    def remember(_number: int, _frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, before)
        was_asked.set()
        tell()

    signal.signal(signal.SIGINT, remember)
    try:
        yield was_asked.is_set
    finally:
        signal.signal(signal.SIGINT, before)
