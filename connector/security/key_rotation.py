"""Which key a rotation leads to, and its first and last step at the key source (AUTHD-5).

Theory of operation
-------------------
The source gets the new key before anything is encrypted under it, and lets go of the old one after everything is.  In
between it holds both, so whatever a kill leaves behind can be read.  A source with more than one key *is* a rotation
under way: another call leads to its last key.  That is also how a key that is set outside (`env:`) is rotated: its
owner appends the new one.
"""

from __future__ import annotations

import logging

from connector.errors import AuthDataError, Reason
from connector.security.vault_cipher import VaultKey
from connector.security.vault_key import KeySource

_log = logging.getLogger("connector.security")

KEY_NOT_HERE = Reason(
    "CF-AUTHD-027",
    "the authentication data need the key {needed}, the key source has {found}.",
    "Give it the key that belongs to them; the data are untouched, and what was in force stays in force.",
)


def chosen(keys: tuple[VaultKey, ...], key_id: str) -> VaultKey | None:
    """The key of that id, or None. Pure."""
    return next((key for key in keys if key.key_id == key_id), None)


def ids_of(keys: tuple[VaultKey, ...]) -> str:
    """The keys' ids, for people. Pure."""
    return ", ".join(key.key_id for key in keys)


def begin(source: KeySource, needed: str) -> tuple[VaultKey, bool]:
    """Have the source hold the key that a rotation leads to; answers it, and whether that rotation is resumed.

    Blocks for the source and for others who change it.

    Raises:
        AuthDataError: The source does not have the key that is needed (CF-AUTHD-027), or can't be changed.
    """
    with source.changing():
        keys = source.keys()
        old = chosen(keys, needed)
        if old is None:
            raise AuthDataError(KEY_NOT_HERE, needed=needed, found=ids_of(keys))
        newest = keys[-1]
        if newest is not old or (len(keys) > 1 and source.changeable):
            _log.info("the rotation that leads to the key %s is resumed", newest.key_id)
            return newest, True
        new = source.fresh()
        source.replace((old, new))
        return new, False


def end(source: KeySource, key_id: str) -> None:
    """Have the source let go of the keys that came before this one. Blocks and raises like `begin`.

    Keys after it stay: somebody may have begun the next rotation meanwhile.
    """
    if not source.changeable:
        _log.warning("everything is encrypted under the key %s; the keys before it can be taken out", key_id)
        return
    with source.changing():
        keys = source.keys()
        ids = [key.key_id for key in keys]
        if key_id in ids and ids[0] != key_id:
            source.replace(keys[ids.index(key_id) :])
