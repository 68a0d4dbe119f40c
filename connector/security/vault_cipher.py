"""One key of the vault (AUTHD-1)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from typing import Any, NoReturn, final

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_KEY_BYTES = 32


@final
class VaultKey:
    """One AES-256 key, which no `repr`, pickle or copy shows.

    Args:
        raw: 32 bytes.

    Attributes:
        key_id: Tells keys apart without telling anything about them; stands in the vault's header.
    """

    __slots__ = ("_raw", "key_id")

    def __init__(self, raw: bytes) -> None:
        if len(raw) != _KEY_BYTES:
            raise ValueError("a vault key has 32 bytes")
        self._raw = raw
        self.key_id = hashlib.sha256(b"connector vault key id\0" + raw).hexdigest()[:16]

    @classmethod
    def generate(cls) -> VaultKey:
        """A new random key."""
        return cls(secrets.token_bytes(_KEY_BYTES))

    def cipher(self) -> AESGCM:
        """The cipher under this key."""
        return AESGCM(self._raw)

    def reveal(self) -> str:
        """The key in base64, to be written to a key file and nowhere else."""
        return base64.b64encode(self._raw).decode("ascii")

    def __repr__(self) -> str:
        return f"<VaultKey {self.key_id}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a VaultKey can't be pickled or copied")
