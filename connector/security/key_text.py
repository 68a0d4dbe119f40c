"""Keys as text: one a line, 32 bytes in base64 (AUTHD-1).

There is one line, except while a rotation is under way: then old and new key stand side by side, the new one last.
"""

from __future__ import annotations

import base64
import binascii

from connector.errors import AuthDataError, Reason
from connector.security.vault_cipher import VaultKey

KEY_MALFORMED = Reason(
    "CF-AUTHD-014", "{source} does not hold a vault key.", "A key is 32 random bytes in base64, one a line."
)


def parse_keys(content: bytes) -> tuple[VaultKey, ...]:
    """The keys; none of a text that is not whole. Raises nothing: an error would hold on to this frame and the text."""
    try:
        return tuple(VaultKey(base64.b64decode(line, validate=True)) for line in content.split())
    except (ValueError, binascii.Error):
        return ()


def found_keys(keys: tuple[VaultKey, ...], source: str) -> tuple[VaultKey, ...]:
    """The keys, at least one. Raises AuthDataError (CF-AUTHD-014) that names the source."""
    if not keys:
        raise AuthDataError(KEY_MALFORMED, source=source)
    return keys


def key_text(keys: tuple[VaultKey, ...]) -> str:
    """The keys as text. Keep no copy, and let no error hold on to it."""
    return "".join(f"{key.reveal()}\n" for key in keys)
