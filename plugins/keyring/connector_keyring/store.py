"""The authentication-data store in the operating system's keyring (AUTHD-2)."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Hashable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NoReturn, final

from connector.errors import AuthDataError, Reason
from connector.spi import AuthenticationData, ProgressListener, Secret
from connector_keyring.backend import NamedBackend
from connector_keyring.index import (
    FORMAT_VERSION,
    INDEX,
    Index,
    IndexNewer,
    IndexUnreadable,
    read_index,
    write_index,
)
from connector_keyring.writer_lock import only_writer

INDEX_TORN = Reason(
    "CF-KEYR-004",
    "the list of {service!r} in the keyring can't be read: it was edited, or is somebody else's.",
    "Bring it back, or use another `service`; the data that were in force stay in force.",
)
INDEX_NEWER = Reason(
    "CF-KEYR-005",
    "the list of {service!r} in the keyring has format {version}, this version knows up to {known}.",
    "Use the newer version of the framework that wrote it.",
)
LIST_GONE = Reason(
    "CF-KEYR-006",
    "the list of {service!r} was in the keyring and has gone.",
    "Bring it back, or unlock the right keyring; the data in force stay in force.",
)
PASSWORD_GONE = Reason(
    "CF-KEYR-007",
    "the keyring has no password for the alias {alias!r}, which the list of {service!r} names.",
    "Set it again with `connector auth-data set {alias}`; the data in force stay in force.",
)
NO_KEY = Reason(
    "CF-KEYR-008",
    "the keyring encrypts by itself; there is no key of ours to rotate.",
    "Change the keyring's own password with its own tool.",
)
ALIAS_UNFIT = Reason(
    "CF-KEYR-009",
    "{alias!r} can't be an authentication alias.",
    "Use a name without control characters and without blanks at its ends.",
)

DEFAULT_SERVICE = "connector-framework auth-data"


@final
class KeyringStore:
    """Implements :class:`connector.spi.AuthenticationDataStore` and `StampedStore` on one keyring.

    Args:
        backend: The keyring.
        service: The name of the list in it.

    Constructing asks nothing. Safe to use from any thread; processes of one user exclude each other as writers.
    Passwords that were read once are remembered by their version: a keyring takes about 20 ms for each. So a password
    that is changed in its item by other tools counts from the next start; change it with `connector auth-data set`.
    """

    def __init__(self, backend: NamedBackend, service: str = DEFAULT_SERVICE) -> None:
        self._backend = backend
        self._service = service
        self._lock = threading.Lock()
        # Mutable, under the lock: the entries that were read last, by their items; whether the list has been seen,
        # after which its absence is an error and not an empty list.
        self._known: Mapping[str, AuthenticationData] = {}
        self._seen = False

    @property
    def read_only(self) -> bool:
        """Always False."""
        return False

    def load(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias. Blocks for the keyring: for the list, and for each password that is new.

        Raises:
            AuthDataError: The keyring can't be used or fails (CF-KEYR-001 to 003), a list that can't be read (004,
                005) or has gone (006), or an entry without its password (007).
        """
        index = self._index() or Index()
        with self._lock:
            known = self._known
        found: dict[str, AuthenticationData] = {}
        for alias in index.entries:
            item = index.item(alias)
            found[item] = known[item] if item in known else self._entry(index, alias, item)
        with self._lock:
            self._known = found
        return MappingProxyType({entry.alias: entry for entry in found.values()})

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        """Add or replace an entry; answers it with its new version. Blocks for the keyring and other writers.

        Raises:
            AuthDataError: The alias is unfit (CF-KEYR-009), no lock can be had (010), or as `load`.
        """
        if not alias or alias != alias.strip() or not alias.isprintable():
            raise AuthDataError(ALIAS_UNFIT, alias=alias)
        with only_writer(self._service):
            index = self._tidied().with_entry(alias, user, description)
            self._backend.set(self._service, index.item(alias), password)
            self._write(index)
        return AuthenticationData(alias, user, password, description, index.entries[alias].version)

    def remove(self, alias: str) -> bool:
        """Remove an entry; False if there was none. Blocks for the keyring and other writers. Raises as `put`."""
        with only_writer(self._service):
            index = self._tidied()
            if alias not in index.entries:
                return False
            self._write(index.without(alias))
        return True

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        """Refused (CF-KEYR-008): the key is the keyring's own."""
        raise AuthDataError(NO_KEY)

    def stamp(self) -> Hashable:
        """Changes when the list does. Blocks for one item of the keyring. Raises AuthDataError (CF-KEYR-001 to 003)."""
        text = self._backend.get(self._service, INDEX)
        return None if text is None else hashlib.sha256(text.encode()).hexdigest()

    def _index(self) -> Index | None:
        text = self._backend.get(self._service, INDEX)
        with self._lock:
            seen, self._seen = self._seen, self._seen or text is not None
        if text is None:
            if seen:
                raise AuthDataError(LIST_GONE, service=self._service)
            return None
        try:
            return read_index(text)
        except IndexNewer as newer:
            version = newer.version
        except IndexUnreadable:
            raise AuthDataError(INDEX_TORN, service=self._service) from None
        raise AuthDataError(INDEX_NEWER, service=self._service, version=version, known=FORMAT_VERSION)

    def _entry(self, index: Index, alias: str, item: str) -> AuthenticationData:
        password = self._backend.get(self._service, item)
        if password is None:
            raise AuthDataError(PASSWORD_GONE, alias=alias, service=self._service)
        listed = index.entries[alias]
        return AuthenticationData(alias, listed.user, Secret(password), listed.description, listed.version)

    def _tidied(self) -> Index:
        """The list, to be changed; what an earlier change could not remove is tried once more."""
        index = self._index() or Index()
        return replace(index, stale=self._left(index.stale))

    def _write(self, index: Index) -> None:
        """Put the list in force, then remove what is stale; the item names of what is left stay noted."""
        self._backend.set(self._service, INDEX, Secret(write_index(index)))
        left = self._left(index.stale)
        if left != index.stale:
            self._backend.set(self._service, INDEX, Secret(write_index(replace(index, stale=left))))

    def _left(self, stale: tuple[str, ...]) -> tuple[str, ...]:
        """Of these items, those that are still there after an attempt to remove them."""
        return tuple(
            item
            for item in stale
            if not self._backend.delete(self._service, item) and self._backend.get(self._service, item) is not None
        )

    def __repr__(self) -> str:
        return f"<KeyringStore {self._service}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a KeyringStore can't be pickled or copied: it remembers passwords")


def keyring_store(settings: Mapping[str, Any]) -> KeyringStore:
    """The provider of the store `keyring`: makes it from the `[auth_data]` table. Asks nothing.

    Raises:
        AuthDataError: The backend can't hold anything (CF-KEYR-001).
    """
    return KeyringStore(NamedBackend(str(settings["backend"])), str(settings.get("service") or DEFAULT_SERVICE))
