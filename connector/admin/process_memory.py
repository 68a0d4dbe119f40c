"""How the memory of a server's process is kept: what CPython and the C library do by default suits short programs."""

from __future__ import annotations

import ctypes
import gc
from typing import Final

#: Objects that have come and not gone before the garbage collector looks at them: those of some thousand messages.
YOUNG_OBJECTS: Final = 20_000
#: Bytes from which on a block goes back to the system as soon as it is freed.
LARGE_BLOCK: Final = 2**20
#: Its name in glibc's `malloc.h`.
_M_MMAP_THRESHOLD: Final = -3


def settle_memory() -> None:
    """To be called once, when a server is ready. Takes some milliseconds for each hundred thousand objects."""
    return_large_blocks()
    calm_collector()


def calm_collector() -> None:
    """Have the garbage collector of this process look at what may be garbage, and not at all that is in work.

    What is there by now stays for good: no collection goes through it. And a pile of messages that comes and goes is no
    reason to begin one: of what is made for each message nothing refers back to itself, so it goes without.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG_OBJECTS, 10, 10)


def return_large_blocks() -> None:
    """Have the C library give large blocks back to the system when they are freed, whichever thread had them.

    glibc takes the first large block that is freed as a sign that such ones come often, and keeps them from then on,
    for each thread apart: the 16 MiB that a password's check takes stay with every thread that has ever checked one.
    Another C library is left as it is.
    """
    try:
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE_BLOCK)
    except (OSError, AttributeError):  # no glibc
        return
