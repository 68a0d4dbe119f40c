"""What SCRAM-SHA-256 needs of a password, as it is stored: never enough to sign on with (RFC 5802, RFC 7677).

It is stored as ``SCRAM-SHA-256$ROUNDS:SALT$STORED-KEY:SERVER-KEY``, in base64. Whoever steals it can guess passwords
at the price of PBKDF2, which takes less memory than scrypt: hence only where the deployer wants it, and with as many
rounds as clients bear.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from typing import Final

from connector.spi import ScramVerifier, Secret

#: The most that Cyrus SASL, and with it Qpid Proton's clients, are ready to compute.
ROUNDS: Final = 65_536
_NAME: Final = "SCRAM-SHA-256"
_MIN_ROUNDS: Final = 4096
_KEY_BYTES: Final = 32
_SALT_BYTES: Final = 16


def scram_verifier_of(password: Secret, rounds: int = ROUNDS) -> str:
    """The text to be stored for a password. Blocks for some 50 ms of processor time."""
    salt = secrets.token_bytes(_SALT_BYTES)
    prepared = unicodedata.normalize("NFKC", password.reveal()).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, rounds)
    stored = hashlib.sha256(hmac.digest(salted, b"Client Key", "sha256")).digest()
    server = hmac.digest(salted, b"Server Key", "sha256")
    return f"{_NAME}${rounds}:{_text(salt)}${_text(stored)}:{_text(server)}"


def read_scram_verifier(text: str) -> ScramVerifier | None:
    """What a stored text says; None where it is no verifier. Pure."""
    try:
        name, head, keys = text.split("$")
        rounds, salt = head.split(":")
        stored, server = keys.split(":")
        found = ScramVerifier(_bytes(salt), int(rounds), _bytes(stored), _bytes(server))
    except (ValueError, binascii.Error):
        return None
    fits = len(found.stored_key) == len(found.server_key) == _KEY_BYTES and found.rounds >= _MIN_ROUNDS and found.salt
    return found if name == _NAME and fits else None


def fitting_nothing(user: str, alike: ScramVerifier) -> ScramVerifier:
    """A verifier that no password fits, for a user who has none: it looks like the others', and is always the same.

    Args:
        user: The user.
        alike: A verifier of the same registry.
    """
    key = hashlib.sha256(b"no such user" + alike.server_key).digest()
    salt = hmac.digest(key, user.encode(), "sha256")[:_SALT_BYTES]
    return ScramVerifier(salt, alike.rounds, secrets.token_bytes(_KEY_BYTES), secrets.token_bytes(_KEY_BYTES))


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text, validate=True)
