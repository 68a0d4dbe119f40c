"""The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677), without channel binding. Pure but for the nonce."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import secrets
from typing import Final, final

from connector.spi import ScramVerifier

#: A client's nonce that is longer is none: it has to fit into one short frame with everything else.
_MAX_NONCE: Final = 100


class ScramUnfit(Exception):
    """What the client says is not as the mechanism has it; the text holds nothing of what came."""


@final
class ScramServer:
    """One exchange.

    Args:
        first: The client's first message.
        nonce: For tests; random unless given.

    Attributes:
        user: Who the client says that it is.

    Raises ScramUnfit, also for a client that wants to act for another user, or channel binding.
    """

    def __init__(self, first: bytes, nonce: str | None = None) -> None:
        try:
            binding, acting, self._bare = first.decode().split(",", 2)
            name, client_nonce, *_ = self._bare.split(",")
        except ValueError:  # also of a text that is none
            raise ScramUnfit("a first message that can't be read") from None
        if binding not in ("n", "y"):
            raise ScramUnfit("channel binding, which is not offered")
        self.user = _name(name.removeprefix("n=")) if name.startswith("n=") else ""
        if not self.user or (acting and _name(acting.removeprefix("a=")) != self.user):
            raise ScramUnfit("no user, or another one to act for")
        if not client_nonce.startswith("r=") or not 2 < len(client_nonce) <= _MAX_NONCE:
            raise ScramUnfit("no nonce")
        self._header = base64.b64encode(f"{binding},{acting},".encode()).decode()
        self._nonce = client_nonce[2:] + (nonce or secrets.token_urlsafe(24))
        # Mutable state: what was asked, and of whom.
        self._challenge = ""
        self._verifier: ScramVerifier | None = None
        self._signed = b""

    def challenge(self, verifier: ScramVerifier) -> bytes:
        """The server's first message."""
        salt = base64.b64encode(verifier.salt).decode()
        self._verifier, self._challenge = verifier, f"r={self._nonce},s={salt},i={verifier.rounds}"
        return self._challenge.encode()

    def proves(self, response: bytes) -> bool:
        """Whether the client's final message proves that it knows the password. Raises ScramUnfit."""
        verifier = self._verifier
        assert verifier is not None
        try:
            without_proof, _, proof_text = response.decode("ascii").rpartition(",p=")
            proof = base64.b64decode(proof_text, validate=True)
        except (ValueError, binascii.Error):
            raise ScramUnfit("a final message that can't be read") from None
        if without_proof != f"c={self._header},r={self._nonce}" or len(proof) != len(verifier.stored_key):
            raise ScramUnfit("a final message of another exchange")
        self._signed = ",".join((self._bare, self._challenge, without_proof)).encode()
        signature = hmac.digest(verifier.stored_key, self._signed, "sha256")
        client_key = bytes(a ^ b for a, b in zip(proof, signature, strict=True))
        return hmac.compare_digest(hashlib.sha256(client_key).digest(), verifier.stored_key)

    def final(self) -> bytes:
        """The server's own proof, once the client has given its."""
        assert self._verifier is not None
        return b"v=" + base64.b64encode(hmac.digest(self._verifier.server_key, self._signed, "sha256"))


def _name(text: str) -> str:
    """A name as it is without the mechanism's escapes; empty where it has others. Raises ScramUnfit."""
    plain = text.replace("=2C", "").replace("=3D", "")
    if "=" in plain:
        raise ScramUnfit("a name that can't be read")
    return text.replace("=2C", ",").replace("=3D", "=")
