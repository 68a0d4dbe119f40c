"""How the engines on a shared store tell each other that they belong together: by the inter-engine alias (CHAIN-4).

Each engine writes a proof beside its name, which only who knows user and password of the alias can make and verify; it
has a salt of its own, and says nothing of either to whoever reads the store.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Final, final

from connector.spi import Secret

_SALT: Final = 16
#: What makes guessing slow: 16 MB and some tens of milliseconds for each attempt.
_COST, _BLOCK, _PARALLEL = 2**14, 8, 1


@final
class EngineProof:
    """Makes and verifies proofs. Both take some tens of milliseconds; what was verified is remembered.

    Args:
        user: The user of the alias; None without one: then only engines without proof belong together.
        password: The password, with it.

    Mutable state: `_known`, what was verified; only ever added to.
    """

    def __init__(self, user: str | None = None, password: Secret | None = None) -> None:
        self._user = user
        self._password = password
        self._known: dict[bytes, bool] = {}

    def make(self) -> bytes | None:
        """A proof of ours; None without alias."""
        if self._user is None:
            return None
        salt = os.urandom(_SALT)
        return salt + self._digest(salt)

    def accepts(self, proof: bytes | None) -> bool:
        """Whether an engine with this proof is one of ours."""
        if proof is None or self._user is None:
            return proof is None and self._user is None
        if proof not in self._known:
            expected = self._digest(proof[:_SALT])
            self._known[proof] = hmac.compare_digest(expected, proof[_SALT:])
        return self._known[proof]

    def _digest(self, salt: bytes) -> bytes:
        password = "" if self._password is None else self._password.reveal()
        said = f"{len(self._user or '')}:{self._user}{password}".encode()
        return hashlib.scrypt(said, salt=salt, n=_COST, r=_BLOCK, p=_PARALLEL)

    def __repr__(self) -> str:
        return f"<EngineProof {'of nobody' if self._user is None else f'of {self._user}'}>"
