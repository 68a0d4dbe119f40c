"""The client's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. Pure but for the nonce.

For every adapter that signs on somewhere by it: what has to be right about it is written once.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
import unicodedata
from typing import Final, final

from connector.spi.secret import Secret

#: More rounds than these would keep the loop of all connections busy.
MAX_ROUNDS: Final = 1_000_000
MIN_ROUNDS: Final = 4096


class ScramFailed(Exception):
    """The server's part is not as the mechanism has it; the text says what."""


@final
class ScramClient:
    """One exchange.

    Args:
        user: The user.
        password: Its password.
        nonce: For tests; random unless given.
    """

    def __init__(self, user: str, password: Secret, nonce: str | None = None) -> None:
        self._user = user.replace("=", "=3D").replace(",", "=2C")
        self._password = password
        self._nonce = nonce or secrets.token_urlsafe(24)
        # Mutable state: the server's proof that is expected, once its challenge has been answered.
        self._expected: bytes | None = None
        self._proved = False

    def first(self) -> bytes:
        """The client's first message."""
        return f"n,,{self._bare()}".encode()

    def answer(self, challenge: bytes) -> bytes:
        """The client's final message; or nothing, where the server sends its proof as a challenge of its own.

        Raises ScramFailed.
        """
        if self._expected is not None:
            if not self.finish(challenge):
                raise ScramFailed("the server did not prove that it knows the password")
            return b""
        fields = _fields(challenge)
        try:
            nonce, rounds = fields["r"], int(fields["i"])
            salt = base64.b64decode(fields["s"], validate=True)
        except (KeyError, ValueError, binascii.Error):
            raise ScramFailed("a challenge that can't be read") from None
        if not nonce.startswith(self._nonce) or nonce == self._nonce:
            raise ScramFailed("a nonce that is not for this exchange")
        if not MIN_ROUNDS <= rounds <= MAX_ROUNDS:
            raise ScramFailed(f"{rounds} rounds")
        without_proof = f"c=biws,r={nonce}"
        signed = ",".join((self._bare(), challenge.decode(), without_proof)).encode()
        proof, self._expected = _proofs(self._password, salt, rounds, signed)
        return f"{without_proof},p={base64.b64encode(proof).decode()}".encode()

    def finish(self, data: bytes) -> bool:
        """Whether the server has proved that it knows the password."""
        if self._expected is None:
            return False
        if not data:  # it came as a challenge before
            return self._proved
        try:
            proof = base64.b64decode(_fields(data).get("v", ""), validate=True)
        except (ScramFailed, binascii.Error):
            return False
        self._proved = hmac.compare_digest(proof, self._expected)
        return self._proved

    def _bare(self) -> str:
        return f"n={self._user},r={self._nonce}"


def _proofs(password: Secret, salt: bytes, rounds: int, signed: bytes) -> tuple[bytes, bytes]:
    prepared = unicodedata.normalize("NFKC", password.reveal()).encode()
    salted = hashlib.pbkdf2_hmac("sha256", prepared, salt, rounds)
    client = hmac.digest(salted, b"Client Key", "sha256")
    signature = hmac.digest(hashlib.sha256(client).digest(), signed, "sha256")
    proof = bytes(a ^ b for a, b in zip(client, signature, strict=True))
    return proof, hmac.digest(hmac.digest(salted, b"Server Key", "sha256"), signed, "sha256")


def _fields(message: bytes) -> dict[str, str]:
    try:
        parts = message.decode().split(",")
    except UnicodeDecodeError:
        raise ScramFailed("a message that is no text") from None
    return {part[0]: part[2:] for part in parts if part[1:2] == "="}
