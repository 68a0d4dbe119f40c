"""The keys that verify tokens: a JWKS document (RFC 7517), read again when its file has changed."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from connector.errors import ConfigError, PluginError, Reason

if TYPE_CHECKING:
    from joserfc.jwk import KeySet

LIBRARY_MISSING = Reason(
    "CF-WEB-020",
    "bearer tokens are to be verified and the library joserfc is not installed.",
    "Install connector-framework[web].",
)
KEYS_UNUSABLE = Reason(
    "CF-WEB-021",
    "the keys of the issuer {issuer!r} can't be used ({place}): {why}.",
    "Give the issuer's JWKS document, in JSON: an object with a list `keys`, each with a `kid` where it has several.",
)

_log = logging.getLogger("connector.web")

_Stamp = tuple[int, int, int]


@final
class VerificationKeys:
    """The keys of one issuer.

    Args:
        issuer: Whose, for errors.
        source: The document itself, or the file that holds it. A file is looked at for each token and read again when
            it has changed; an edit that can't be used changes nothing and is logged.

    Constructing blocks for the disk. Raises ConfigError (CF-WEB-021), PluginError (CF-WEB-020). Safe to use from any
    thread.
    """

    # Mutable state, changed by `current` under `_lock`: the file's stamp when it was read last, with the keys that were
    # understood last; one tuple, so that readers need no lock.

    def __init__(self, issuer: str, source: Mapping[str, Any] | str | PathLike[str]) -> None:
        self._issuer = issuer
        self._path = None if isinstance(source, Mapping) else Path(source)
        self._lock = threading.Lock()
        stamp = self._stamp()
        document = source if isinstance(source, Mapping) else self._read()
        self._known: tuple[_Stamp | None, KeySet] = stamp, self._understood(document)

    def current(self) -> KeySet:
        """The keys in force. Blocks for looking at the file, and for reading it where it has changed."""
        stamp, keys = self._known
        if self._stamp() == stamp:
            return keys
        with self._lock:
            stamp, (read, keys) = self._stamp(), self._known
            if stamp == read:  # another thread was first
                return keys
            try:
                keys = self._understood(self._read())
            except ConfigError as error:
                _log.error("%s; the keys known last stay in force", error)
            # Kept even where the reading failed: a wrong edit is reported once, not with every token.
            self._known = stamp, keys
        return keys

    def _stamp(self) -> _Stamp | None:
        if self._path is None:
            return None
        try:
            status = self._path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_ino, status.st_size

    def _read(self) -> Any:
        assert self._path is not None
        try:
            return json.loads(self._path.read_bytes())
        except OSError as error:
            raise self._unusable(error.strerror or type(error).__name__) from None
        except ValueError:
            pass
        raise self._unusable("it isn't JSON")

    def _understood(self, document: Any) -> KeySet:
        try:
            from joserfc.jwk import KeySet
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] != "joserfc":
                raise
            raise PluginError(LIBRARY_MISSING) from None
        try:
            return KeySet.import_key_set(document)
        except Exception as error:  # noqa: BLE001 - a document may be wrong in any way; its text may hold a private key
            why = type(error).__name__
        raise self._unusable(why)

    def _unusable(self, why: str) -> ConfigError:
        return ConfigError(KEYS_UNUSABLE, issuer=self._issuer, place=self._path or "given by the application", why=why)

    def __repr__(self) -> str:
        return f"<VerificationKeys of {self._issuer}, {len(self._known[1].keys)} key(s)>"
