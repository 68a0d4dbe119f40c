"""The encrypted authentication-data store in a file (AUTHD-1, AUTHD-2, AUTHD-5)."""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, final

from connector.errors import AuthDataError, Reason
from connector.security.durable_file import exclusive, file_stamp, replace_file
from connector.security.key_rotation import begin, chosen, end, ids_of
from connector.security.plain_name import is_plain_name
from connector.security.vault_cipher import VaultKey
from connector.security.vault_document import (
    FORMAT_VERSION,
    DocumentNewer,
    DocumentUnreadable,
    Sealed,
    VaultDocument,
    check_seal,
    open_entry,
    read_document,
    seal_entry,
    write_document,
)
from connector.security.vault_key import KeySource, key_source
from connector.spi import AuthenticationData, ProgressListener, RotationProgress, Secret

VAULT_TORN = Reason(
    "CF-AUTHD-020",
    "the vault {path} can't be trusted: {why}.",
    "Bring back the last good copy; the data that were in force stay in force.",
)
VAULT_NEWER = Reason(
    "CF-AUTHD-021",
    "the vault {path} has format {version}, this version knows up to {known}.",
    "Use the newer version of the framework that wrote it.",
)
KEY_WRONG = Reason(
    "CF-AUTHD-022",
    "the vault {path} needs the key {needed}, the key source has {found}.",
    "Give it the key that belongs to this vault; the vault itself is untouched.",
)
VAULT_UNREADABLE = Reason("CF-AUTHD-023", "the vault {path} can't be read: {why}.", "Give this process access to it.")
VAULT_UNWRITABLE = Reason(
    "CF-AUTHD-024", "the vault {path} can't be written: {why}; it is as it was.", "Put that right and try again."
)
VAULT_GONE = Reason(
    "CF-AUTHD-025", "the vault {path} was there and has gone.", "Bring it back; the data in force stay in force."
)
ALIAS_UNFIT = Reason(
    "CF-AUTHD-026",
    "{alias!r} can't be an authentication alias.",
    "Use a name without control characters and without blanks at its ends.",
)

# A reader takes no lock (the folder may be read-only to it), so it may catch a rotation between key and vault; the
# second look sees both after it. More than one rotation during a look does not happen by accident.
_LOOKS = 3


@final
class FileVault:
    """Implements :class:`connector.spi.AuthenticationDataStore` on one encrypted file of mode 0600.

    Args:
        path: The file. A vault that is not there yet is empty, and the first `put` makes it.
        key: Where its key comes from: a source, or the text that names one (`vault_key.key_source`); a relative path
            in it lies beside the vault.

    Constructing reads nothing, and raises AuthDataError for an unknown kind of key source (CF-AUTHD-015). Safe to use
    from any thread and beside other processes: writers exclude each other, readers see the file before or after a
    change. A kill at any instant leaves the old or the new.
    """

    def __init__(self, path: Path, key: KeySource | str) -> None:
        self._path = path
        self._key = key_source(key, path.parent) if isinstance(key, str) else key
        # Mutable, set once from False to True, by any thread: whether the file has been seen, after which its absence
        # is an error and not an empty vault.
        self._seen = False

    @property
    def read_only(self) -> bool:
        """Always False."""
        return False

    def load(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias, decrypted; one consistent snapshot. Blocks for the disk.

        Raises:
            AuthDataError: No usable key (CF-AUTHD-010 to 019), torn or edited vault (020), newer format (021), wrong
                key (022), unreadable file (023), or the vault has gone (025).
        """
        return MappingProxyType(self._entries(*self._open()))

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        """Add or replace an entry; answers it with its new version. Blocks for the disk and for other writers.

        Raises:
            AuthDataError: The alias is unfit (CF-AUTHD-026), the vault can't be written (024), or as `load`.
        """
        if not is_plain_name(alias):
            raise AuthDataError(ALIAS_UNFIT, alias=alias)
        with self._writing():
            document, key = self._open()
            data = AuthenticationData(alias, user, password, description, document.next_version(alias))
            removed = {name: version for name, version in document.removed.items() if name != alias}
            entries = {**document.entries, alias: seal_entry(key, data)}
            self._write(key, replace(document, entries=entries, removed=removed))
        return data

    def remove(self, alias: str) -> bool:
        """Remove an entry; False if there was none. Blocks for the disk and for other writers. Raises as `put`."""
        with self._writing():
            document, key = self._open()
            if alias not in document.entries:
                return False
            entries = {name: sealed for name, sealed in document.entries.items() if name != alias}
            removed = {**document.removed, alias: document.entries[alias][0]}
            self._write(key, replace(document, entries=entries, removed=removed))
        return True

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        """Re-encrypt everything under a new key; answers the number of entries. Blocks for the disk.

        Versions stay: the credentials are the same. Three replacements, each atomic: the new key is put beside the old
        one, then the vault is written under it, then the old key goes. After a kill between any two of them the key
        source holds the key that the vault needs, and another call goes on from there.

        Raises:
            AuthDataError: The key source can't be changed (CF-AUTHD-016, 018), or as `put`.
        """
        with self._writing():
            document, old = self._open()
            new, resumed = begin(self._key, old.key_id)
            total = len(document.entries)
            _tell(report, 0, total, resumed=resumed)
            if new.key_id != document.key_id:
                entries = {alias: seal_entry(new, data) for alias, data in self._entries(document, old).items()}
                self._write(new, replace(document, key_id=new.key_id, entries=entries))
            end(self._key, new.key_id)
            _tell(report, total, total, resumed=resumed)
        return total

    def stamp(self) -> Hashable:
        """Changes when the vault or its key does. Blocks for the disk.

        Implements :class:`connector.spi.StampedStore`.
        """
        return (file_stamp(self._path), self._key.stamp())

    def _open(self) -> tuple[VaultDocument, VaultKey]:
        """The document, found whole, and the key that it needs; an empty document for a vault that is not there yet."""
        needed = found = ""
        for _ in range(_LOOKS):
            keys = self._key.keys()  # before the vault: a rotation puts the new key there before the vault needs it
            content = self._content()
            if content is None:
                return VaultDocument(keys[0].key_id), keys[0]
            document, seal = self._parsed(content)
            key = chosen(keys, document.key_id)
            if key is not None:
                self._trusted(key, document, seal)
                return document, key
            needed, found = document.key_id, ids_of(keys)
        raise AuthDataError(KEY_WRONG, path=self._path, needed=needed, found=found)

    def _content(self) -> bytes | None:
        try:
            content = self._path.read_bytes()
        except FileNotFoundError:
            if self._seen:
                raise AuthDataError(VAULT_GONE, path=self._path) from None
            return None
        except OSError as error:
            raise AuthDataError(VAULT_UNREADABLE, path=self._path, why=error.strerror) from error
        self._seen = True
        return content

    def _parsed(self, content: bytes) -> tuple[VaultDocument, Sealed]:
        try:
            return read_document(content)
        except DocumentNewer as newer:
            raise AuthDataError(VAULT_NEWER, path=self._path, version=newer.version, known=FORMAT_VERSION) from None
        except DocumentUnreadable as unreadable:
            raise self._torn(unreadable) from None

    def _trusted(self, key: VaultKey, document: VaultDocument, seal: Sealed) -> None:
        try:
            check_seal(key, document, seal)
        except DocumentUnreadable as unreadable:
            raise self._torn(unreadable) from None

    def _entries(self, document: VaultDocument, key: VaultKey) -> dict[str, AuthenticationData]:
        try:
            return {alias: open_entry(key, alias, *sealed) for alias, sealed in document.entries.items()}
        except DocumentUnreadable as unreadable:
            raise self._torn(unreadable) from None

    def _torn(self, why: DocumentUnreadable) -> AuthDataError:
        return AuthDataError(VAULT_TORN, path=self._path, why=why)

    def _write(self, key: VaultKey, document: VaultDocument) -> None:
        replace_file(self._path, write_document(key, document))
        self._seen = True

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        """Alone among writers; what the disk refuses becomes an error of ours."""
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with exclusive(self._path):
                yield
        except OSError as error:
            raise AuthDataError(VAULT_UNWRITABLE, path=self._path, why=error.strerror) from error

    def __repr__(self) -> str:
        return f"<FileVault {self._path}>"


def _tell(report: ProgressListener | None, done: int, total: int, *, resumed: bool) -> None:
    if report is not None:
        report(RotationProgress(done, total, resumed))


def file_store(settings: Mapping[str, Any]) -> FileVault:
    """The provider of the store `file`: makes it from the `[auth_data]` table. Does not block.

    Args:
        settings: `path` of the vault and `key`, its key source with its options; a relative path lies beside the vault.

    Raises:
        AuthDataError: The key source is of an unknown kind (CF-AUTHD-015), or lacks an option (CF-AUTHD-040, 053).
    """
    path = Path(settings["path"])
    return FileVault(path, key_source(str(settings["key"]), path.parent, settings))
