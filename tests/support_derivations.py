"""What passwords make is dear on purpose, and tests make it thousands of times: here it costs next to nothing.

A stored hash has its cost in it, so a cheap one is as good to any other program as a dear one. Programs that tests
start are left alone.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

from connector.security import passphrase_key
from connector.security.file_registry import FileUserRegistry
from connector.security.key_derivation import PASSPHRASE_COST, new_derivation
from connector.security.passphrase_key import PassphraseKey
from connector.security.passwords import DEFAULT_COST, ScryptCost, ScryptPasswords, hash_password, verify_password

#: All that take a cost, and one of the two by default.
_WITH_DEFAULTS: tuple[Any, ...] = (
    hash_password,
    verify_password,
    ScryptPasswords.__init__,
    FileUserRegistry.__init__,
    PassphraseKey.__init__,
    new_derivation,
)


def remember_derivations() -> None:
    """From now on this process asks scrypt only once for the same password, salt and cost.

    What is answered is what scrypt would answer, for right and wrong passwords alike; only the second time takes no
    time. Programs that tests start are left alone. Safe for threads.
    """
    if not hasattr(hashlib.scrypt, "cache_info"):
        hashlib.scrypt = functools.lru_cache(maxsize=10_000)(hashlib.scrypt)  # type: ignore[assignment]


def derive_cheaply() -> None:
    """From now on what this process hashes has the least cost that scrypt takes, unless it is told a cost."""
    cheap = ScryptCost(n=2, r=1, p=1)
    for each in _WITH_DEFAULTS:
        each.__defaults__ = tuple(
            cheap if value in (DEFAULT_COST, PASSPHRASE_COST) else value for value in each.__defaults__
        )
    passphrase_key.PASSPHRASE_COST = cheap  # type: ignore[attr-defined]  # which commands name
