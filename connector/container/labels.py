"""What the containers that run in one process are told apart by, also where several have one name (FLOW-4)."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_LOCK: Final = threading.Lock()
#: The labels of the containers that run in this process; changed under the lock.
_TAKEN: Final[set[str]] = set()


@contextmanager
def label_of(name: str) -> Iterator[str]:
    """A container's label for as long as it runs: its name; with a number, `shop#2`, where another has that already.

    Scopes are labelled with it: who is logged in at one container is nobody's caller at another of the same name.
    Does not block. Safe to use from any thread.
    """
    with _LOCK:
        candidates = itertools.chain((name,), (f"{name}#{number}" for number in itertools.count(2)))
        label = next(each for each in candidates if each not in _TAKEN)
        _TAKEN.add(label)
    try:
        yield label
    finally:
        with _LOCK:
            _TAKEN.discard(label)
