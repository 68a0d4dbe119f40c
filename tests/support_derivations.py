"""Keys that passwords make are worked out once: that is dear on purpose, and tests check the same passwords."""

from __future__ import annotations

import functools
import hashlib


def remember_derivations() -> None:
    """From now on this process asks scrypt only once for the same password, salt and cost.

    What is answered is what scrypt would answer, for right and wrong passwords alike; only the second time takes no
    time. Programs that tests start are left alone. Safe for threads.
    """
    if not hasattr(hashlib.scrypt, "cache_info"):
        hashlib.scrypt = functools.lru_cache(maxsize=10_000)(hashlib.scrypt)  # type: ignore[assignment]
