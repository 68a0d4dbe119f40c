"""A key from a passphrase: scrypt, with salt and cost in a text that is no secret (AUTHD-1).

The text is JSON, one derivation a line, the newest last; each names the id of its key, so that a wrong passphrase can
be told.  Guessing with it costs one scrypt a guess, as it does with the vault itself.
"""

from __future__ import annotations

import base64
import binascii
import json
import secrets
import unicodedata
from dataclasses import dataclass
from typing import final

from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from connector.security.passwords import ScryptCost
from connector.security.vault_cipher import VaultKey
from connector.spi import Secret

#: 128 MiB and about half a second: it is paid once a start, by one who guesses each time.
PASSPHRASE_COST = ScryptCost(n=2**17, r=8, p=1)
_SALT_BYTES = 16


class DerivationUnreadable(Exception):
    """The text is no list of derivations. Internal to the key source; it tells nothing of a content."""


@final
@dataclass(frozen=True, slots=True)
class Derivation:
    """How one key comes from a passphrase. Immutable; no secret.

    Attributes:
        salt: Random, of this key alone.
        cost: What it costs.
        key_id: The id of the key that comes out with the right passphrase.
    """

    salt: bytes
    cost: ScryptCost
    key_id: str = ""

    def key(self, passphrase: Secret) -> VaultKey:
        """The key. Blocks for some hundred milliseconds of processor time."""
        # As with passwords: the same characters, however a keyboard or an editor composes them.
        text = unicodedata.normalize("NFKC", passphrase.reveal()).encode()
        cost = self.cost
        return VaultKey(Scrypt(salt=self.salt, length=32, n=cost.n, r=cost.r, p=cost.p).derive(text))


def new_derivation(passphrase: Secret, cost: ScryptCost = PASSPHRASE_COST) -> tuple[Derivation, VaultKey]:
    """A derivation with a fresh salt, and its key. Blocks like `Derivation.key`."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = Derivation(salt, cost).key(passphrase)
    return Derivation(salt, cost, key.key_id), key


def write_derivations(derivations: tuple[Derivation, ...]) -> bytes:
    """The text."""
    return "".join(f"{json.dumps(_plain(one))}\n" for one in derivations).encode()


def read_derivations(text: bytes) -> tuple[Derivation, ...]:
    """The derivations, at least one. Raises DerivationUnreadable; also for a cost that would take all memory."""
    try:
        found = tuple(_derivation(line) for line in text.splitlines())
    except (ValueError, KeyError, TypeError, binascii.Error) as error:
        raise DerivationUnreadable from error
    if not found or not all(one.cost.is_sane for one in found):
        raise DerivationUnreadable
    return found


def _plain(one: Derivation) -> dict[str, object]:
    cost = {"n": one.cost.n, "r": one.cost.r, "p": one.cost.p}
    return {"kdf": "scrypt", **cost, "salt": base64.b64encode(one.salt).decode(), "key_id": one.key_id}


def _derivation(line: bytes) -> Derivation:
    plain = json.loads(line)
    if plain["kdf"] != "scrypt":
        raise DerivationUnreadable
    cost = ScryptCost(int(plain["n"]), int(plain["r"]), int(plain["p"]))
    return Derivation(base64.b64decode(plain["salt"], validate=True), cost, str(plain["key_id"]))
