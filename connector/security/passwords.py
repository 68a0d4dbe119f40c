"""Password hashes: scrypt, with the parameters and the salt in the stored text.

A stored hash reads ``scrypt$N$r$p$SALT$DIGEST``, salt and digest in base64. N, r and p are those it was made with, so
they can be raised later without touching what is stored.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from typing import final

from connector.errors import Reason, SecurityError
from connector.security.scram import fitting_nothing, read_scram_verifier, scram_verifier_of
from connector.spi import ScramVerifier, Secret

PASSWORD_EMPTY = Reason("CF-SEC-020", "an empty password is refused.", "Choose a password with at least one character.")

_SALT_BYTES = 16
_DIGEST_BYTES = 32
# What a stored hash may ask for at most: an edited file must not make a log-in take all memory or minutes.
_MAX_MEMORY = 256 * 2**20
_MAX_PARALLEL = 16


@final
@dataclass(frozen=True, slots=True)
class ScryptCost:
    """What a guess costs: scrypt's N, r and p.

    Attributes:
        n: Iterations and memory, a power of two; memory is 128 x n x r bytes.
        r: Block size.
        p: Parallelisation; multiplies the time only.
    """

    n: int
    r: int
    p: int

    @property
    def memory(self) -> int:
        """The bytes that one hash needs."""
        return 128 * self.n * self.r

    @property
    def is_sane(self) -> bool:
        """Whether scrypt accepts it and it stays within what one log-in may use."""
        power_of_two = self.n > 1 and self.n & (self.n - 1) == 0
        return power_of_two and self.r > 0 and 0 < self.p <= _MAX_PARALLEL and self.memory <= _MAX_MEMORY


#: 16 MiB and about 200 ms on a server of today: what OWASP recommends, in the form that needs the least memory.
DEFAULT_COST = ScryptCost(n=2**14, r=8, p=5)


def hash_password(password: Secret, cost: ScryptCost = DEFAULT_COST) -> str:
    """A salted hash of the password, to be stored. Blocks for 50 to 400 ms of processor time.

    Raises:
        SecurityError: The password is empty (CF-SEC-020).
    """
    if not password:
        raise SecurityError(PASSWORD_EMPTY)
    salt = secrets.token_bytes(_SALT_BYTES)
    parts = ["scrypt", str(cost.n), str(cost.r), str(cost.p), _text(salt), _text(_digest(password, salt, cost))]
    return "$".join(parts)


def verify_password(password: Secret, stored: str | None, cost: ScryptCost = DEFAULT_COST) -> bool:
    """Whether the password fits a stored hash. Blocks for 50 to 400 ms of processor time.

    Args:
        password: What was presented. An empty one never fits.
        stored: The stored hash; None for an unknown user, who takes as long as a wrong password, so that the time does
            not tell who exists. A hash that can't be read fits nothing.
        cost: What the check of an unknown user shall cost: what new hashes of the registry cost.
    """
    parsed = None if stored is None else _parse(stored)
    if parsed is None:
        _digest(password, bytes(_SALT_BYTES), cost)
        return False
    stored_cost, salt, expected = parsed
    return hmac.compare_digest(_digest(password, salt, stored_cost), expected) and bool(password)


def is_password_hash(stored: str) -> bool:
    """Whether a stored text is a hash that can be verified. Does not block."""
    return _parse(stored) is not None


def _digest(password: Secret, salt: bytes, cost: ScryptCost) -> bytes:
    # NFC: the same letters typed on two keyboards are the same password. surrogatepass: any text can be a password, and
    # the exception of a refused one would hold it.
    typed = unicodedata.normalize("NFC", password.reveal()).encode("utf-8", "surrogatepass")
    return hashlib.scrypt(typed, salt=salt, n=cost.n, r=cost.r, p=cost.p, maxmem=2 * _MAX_MEMORY, dklen=_DIGEST_BYTES)


def _parse(stored: str) -> tuple[ScryptCost, bytes, bytes] | None:
    match stored.split("$"):
        case ["scrypt", n, r, p, salt, digest]:
            try:
                cost = ScryptCost(int(n), int(r), int(p))
                parsed = cost, base64.b64decode(salt, validate=True), base64.b64decode(digest, validate=True)
            except (ValueError, binascii.Error):
                return None
            return parsed if cost.is_sane and len(parsed[2]) == _DIGEST_BYTES else None
    return None


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


@final
class ScryptPasswords:
    """Implements :class:`connector.spi.PasswordHasher` and `ScramHasher` for registries that are plugins. Immutable.

    Args:
        cost: What new hashes cost.
    """

    __slots__ = ("_cost",)

    def __init__(self, cost: ScryptCost = DEFAULT_COST) -> None:
        self._cost = cost

    def hash(self, password: Secret) -> str:
        """See `hash_password`."""
        return hash_password(password, self._cost)

    def verify(self, password: Secret, stored: str | None) -> bool:
        """See `verify_password`."""
        return verify_password(password, stored, self._cost)

    def is_hash(self, stored: str) -> bool:
        """See `is_password_hash`."""
        return is_password_hash(stored)

    def scram_verifier(self, password: Secret) -> str:
        """See `scram_verifier_of`. Raises SecurityError CF-SEC-020 for an empty password."""
        if not password:
            raise SecurityError(PASSWORD_EMPTY)
        return scram_verifier_of(password)

    def read_scram(self, stored: str) -> ScramVerifier | None:
        """See `read_scram_verifier`."""
        return read_scram_verifier(stored)

    def scram_of_nobody(self, user: str, alike: ScramVerifier) -> ScramVerifier:
        """See `fitting_nothing`."""
        return fitting_nothing(user, alike)

    def __repr__(self) -> str:
        return f"<ScryptPasswords {self._cost}>"
