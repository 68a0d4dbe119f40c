"""The list of what the store keeps: one item of the keyring, since a keyring can't be asked what it holds. Pure.

Theory of operation
-------------------
The index names each entry with user, description and version; its password is in an item of its own, whose name has the
version in it.  A change writes the new password's item first, then the index, then removes the old item: a kill in
between leaves the old index with the old passwords or the new one with the new, never a user with somebody else's
password.  What could not be removed is noted as stale, and removed with a later change.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

FORMAT_NAME = "connector-auth-data-index"
FORMAT_VERSION = 1
#: The index's own item; those of entries begin otherwise.
INDEX = "index"


class IndexUnreadable(Exception):
    """The text is no index. Internal to the store."""


class IndexNewer(Exception):
    """The text is an index of a format that this version does not know. Internal to the store.

    Args:
        version: The format version.
    """

    def __init__(self, version: int) -> None:
        super().__init__(version)
        self.version = version


@dataclass(frozen=True, slots=True)
class Listed:
    """What the index says of one entry.

    Attributes:
        user: The user in the external system.
        version: Counts the entry's changes.
        description: For people.
    """

    user: str
    version: int
    description: str = ""


@dataclass(frozen=True, slots=True)
class Index:
    """The whole list. Immutable, holds no password.

    Attributes:
        list_id: Made with the list: items of a list of the same name that was lost are never taken for its own.
        entries: By alias.
        removed: The last version of each alias that was removed, so that versions never go down.
        stale: Items that are to be removed.
    """

    list_id: str = field(default_factory=lambda: secrets.token_hex(8))
    entries: Mapping[str, Listed] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)
    stale: tuple[str, ...] = ()

    def item(self, alias: str) -> str:
        """The name of the item that holds the alias's password."""
        return f"entry {self.list_id} {self.entries[alias].version} {alias}"

    def with_entry(self, alias: str, user: str, description: str) -> Index:
        """The list with a new version of that entry; the item of the version before is stale."""
        known = self.entries.get(alias)
        version = (known.version if known is not None else self.removed.get(alias, 0)) + 1
        removed = {name: last for name, last in self.removed.items() if name != alias}
        entries = {**self.entries, alias: Listed(user, version, description)}
        return replace(self, entries=entries, removed=removed, stale=self._stale_with(alias))

    def without(self, alias: str) -> Index:
        """The list without that entry, which it has."""
        entries = {name: listed for name, listed in self.entries.items() if name != alias}
        removed = {**self.removed, alias: self.entries[alias].version}
        return replace(self, entries=entries, removed=removed, stale=self._stale_with(alias))

    def _stale_with(self, alias: str) -> tuple[str, ...]:
        return (*self.stale, self.item(alias)) if alias in self.entries else self.stale


def write_index(index: Index) -> str:
    """The text; ASCII, which every keyring takes."""
    entries = {
        alias: {"user": listed.user, "version": listed.version, "description": listed.description}
        for alias, listed in sorted(index.entries.items())
    }
    plain = {
        "format": FORMAT_NAME,
        "version": FORMAT_VERSION,
        "list": index.list_id,
        "entries": entries,
        "removed": dict(sorted(index.removed.items())),
        "stale": list(index.stale),
    }
    return json.dumps(plain, separators=(",", ":"))


def read_index(text: str) -> Index:
    """The list. Raises IndexUnreadable, IndexNewer."""
    try:
        plain: Any = json.loads(text)
        if plain["format"] != FORMAT_NAME:
            raise IndexUnreadable
        if int(plain["version"]) > FORMAT_VERSION:
            raise IndexNewer(int(plain["version"]))
        entries = {
            alias: Listed(str(listed["user"]), int(listed["version"]), str(listed["description"]))
            for alias, listed in plain["entries"].items()
        }
        removed = {alias: int(version) for alias, version in plain["removed"].items()}
        return Index(str(plain["list"]), entries, removed, tuple(str(item) for item in plain["stale"]))
    except (ValueError, KeyError, TypeError, AttributeError):
        raise IndexUnreadable from None
