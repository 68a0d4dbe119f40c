"""The vault file as data: what its text looks like, and what each encryption is bound to (AUTHD-1).

Theory of operation
-------------------
The file is JSON with a readable header (format, key id) so that a newer format, a wrong key and a torn file can be told
apart.  Each entry is encrypted by itself under AES-256-GCM: user, password and description are inside, and the alias,
the version and the format are authenticated with it, so an entry that is renamed, swapped with another or passed off
as another version can't be opened.  A seal over the whole document (an encryption of nothing, bound to everything)
does the same for what single entries can't notice: one that was taken out, or put back from an older file.

The versions of removed entries are kept, so that a version never goes down: an alias that comes back supersedes the
connections of its former life.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag

from connector.security.vault_cipher import VaultKey
from connector.spi import AuthenticationData, Secret

FORMAT_NAME = "connector-auth-data"
FORMAT_VERSION = 1

_NONCE_BYTES = 12
# What bindings of entries and vaults never begin with: those are JSON.
_CONTENT_BINDING = b"connector sealed content\0"


class DocumentUnreadable(Exception):
    """The text is no whole vault document. Internal to the vault; the text tells what, never a content."""


class DocumentNewer(Exception):
    """The text is a vault document of a format that this version does not know. Internal to the vault.

    Args:
        version: The document's format version.
    """

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


@dataclass(frozen=True, slots=True)
class Sealed:
    """Something encrypted or authenticated.

    Attributes:
        nonce: Random, never used twice under one key.
        box: The ciphertext with its tag.
    """

    nonce: bytes
    box: bytes = field(repr=False)

    def plain(self) -> dict[str, str]:
        """As JSON data."""
        return {"nonce": _text(self.nonce), "box": _text(self.box)}


@dataclass(frozen=True, slots=True)
class VaultDocument:
    """What stands in a vault, still encrypted. Immutable.

    Attributes:
        key_id: The key that it needs.
        entries: Version and encrypted content by alias.
        removed: The last version of each alias that was removed.
    """

    key_id: str
    entries: Mapping[str, tuple[int, Sealed]] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)

    def next_version(self, alias: str) -> int:
        """The version that the alias gets next: always higher than any that it had."""
        if alias in self.entries:
            return self.entries[alias][0] + 1
        return self.removed.get(alias, 0) + 1


def seal_entry(key: VaultKey, data: AuthenticationData) -> tuple[int, Sealed]:
    """Encrypt one entry, bound to its alias and version."""
    content = {"user": data.user, "password": data.password.reveal(), "description": data.description}
    return data.version, _seal(key, json.dumps(content).encode(), _entry_binding(data.alias, data.version))


def open_entry(key: VaultKey, alias: str, version: int, sealed: Sealed) -> AuthenticationData:
    """Decrypt one entry. Raises DocumentUnreadable where it is not that alias's entry of that version."""
    content = json.loads(_open(key, sealed, _entry_binding(alias, version), f"the entry {alias!r}"))
    return AuthenticationData(alias, content["user"], Secret(content["password"]), content["description"], version)


def seal_content(key: VaultKey, content: bytes) -> Sealed:
    """Vouch for content that is kept elsewhere; no such seal opens as an entry, nor as the seal of a vault."""
    return _seal(key, b"", _CONTENT_BINDING + content)


def open_seal(key: VaultKey, content: bytes, sealed: Sealed) -> None:
    """Check such a seal. Raises DocumentUnreadable."""
    _open(key, sealed, _CONTENT_BINDING + content, "the list")


def write_document(key: VaultKey, document: VaultDocument) -> bytes:
    """The text of a document, sealed as a whole."""
    plain = _plain(document)
    plain["seal"] = _seal(key, b"", _canonical(plain)).plain()
    return json.dumps(plain, indent=1).encode() + b"\n"


def read_document(content: bytes) -> tuple[VaultDocument, Sealed]:
    """Read a text; answers the document and its seal, still unchecked.

    Raises:
        DocumentUnreadable: It is torn or none at all.
        DocumentNewer: Its format is newer than this version.
    """
    try:
        plain = json.loads(content)
        if plain["format"] != FORMAT_NAME:
            raise DocumentUnreadable("it is no vault")
        if int(plain["version"]) > FORMAT_VERSION:
            raise DocumentNewer(int(plain["version"]))
        entries = {alias: (int(entry["version"]), _sealed(entry)) for alias, entry in plain["entries"].items()}
        removed = {alias: int(version) for alias, version in plain["removed"].items()}
        return VaultDocument(str(plain["key_id"]), entries, removed), _sealed(plain["seal"])
    except (ValueError, KeyError, TypeError, AttributeError):
        torn = DocumentUnreadable("it is torn or was edited")
    raise torn


def check_seal(key: VaultKey, document: VaultDocument, seal: Sealed) -> None:
    """Check that the document is whole and was written under the key. Raises DocumentUnreadable."""
    _open(key, seal, _canonical(_plain(document)), "the document")


def _plain(document: VaultDocument) -> dict[str, Any]:
    return {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "key_id": document.key_id,
        "entries": {
            alias: {"version": version, **sealed.plain()}
            for alias, (version, sealed) in sorted(document.entries.items())
        },
        "removed": dict(sorted(document.removed.items())),
    }


def _entry_binding(alias: str, version: int) -> bytes:
    return _canonical([FORMAT_NAME, FORMAT_VERSION, alias, version])


def _canonical(plain: Any) -> bytes:
    return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()


def _seal(key: VaultKey, content: bytes, binding: bytes) -> Sealed:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return Sealed(nonce, key.cipher().encrypt(nonce, content, binding))


def _open(key: VaultKey, sealed: Sealed, binding: bytes, what: str) -> bytes:
    try:
        return key.cipher().decrypt(sealed.nonce, sealed.box, binding)
    except (InvalidTag, ValueError):
        forged = DocumentUnreadable(f"{what} was changed or moved")
    raise forged


def _sealed(plain: Mapping[str, str]) -> Sealed:
    return Sealed(base64.b64decode(plain["nonce"], validate=True), base64.b64decode(plain["box"], validate=True))


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
