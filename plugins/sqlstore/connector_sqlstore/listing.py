"""The list as it stands in the tables, and what its seal covers. Pure (AUTHD-1).

Theory of operation
-------------------
Each entry is a row, encrypted by itself and bound to its alias and version.  What single rows can't notice (one that
was taken out, one put back from an older copy) the seal does: it stands in the one row of the state table and vouches
for all rows together.  That row's revision rises with every change, which makes three things of one number: writers
compare and swap it, so that none overwrites another's change; readers find out that they have read one state of the
list; a watch asks for it.

A removed entry leaves a row without content, which keeps its version: an alias that comes back supersedes the
connections of its former life.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

#: The version of the tables' shape that this code writes, and the newest that it reads.
SCHEMA_VERSION = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One entry as it stands in the table.

    Attributes:
        alias: Its name.
        version: Counts its changes.
        key_id: The key that it is encrypted under; None where it was removed.
        box: The ciphertext; None where it was removed.
    """

    alias: str
    version: int
    key_id: str | None = None
    box: bytes | None = field(default=None, repr=False)

    @property
    def removed(self) -> bool:
        """Whether it is what a removed entry leaves."""
        return self.box is None


@dataclass(frozen=True, slots=True)
class Listing:
    """The whole list at one revision. Immutable.

    Attributes:
        revision: Counts the changes; 0 for a list that has never been written.
        key_id: The key of the seal, and of new entries.
        seal: Vouches for all of it.
        rows: The rows by alias.
    """

    revision: int
    key_id: str
    seal: bytes = field(default=b"", repr=False)
    rows: Mapping[str, Row] = field(default_factory=dict)

    @property
    def entries(self) -> list[Row]:
        """The rows that are entries, by alias."""
        return [row for _, row in sorted(self.rows.items()) if not row.removed]

    def next_version(self, alias: str) -> int:
        """The version that the alias gets next: always higher than any that it had."""
        known = self.rows.get(alias)
        return 1 if known is None else known.version + 1

    def changed(self, rows: Iterable[Row], key_id: str | None = None) -> Listing:
        """The list with these rows in it, at the next revision, not sealed yet."""
        after = {**self.rows, **{row.alias: row for row in rows}}
        return replace(self, revision=self.revision + 1, key_id=key_id or self.key_id, seal=b"", rows=after)

    def under_other_keys(self, key_id: str) -> list[Row]:
        """The entries that are not encrypted under that key."""
        return [row for row in self.entries if row.key_id != key_id]

    def content(self) -> bytes:
        """What the seal vouches for: everything but itself."""
        rows = [
            [row.alias, row.version, row.key_id, None if row.box is None else hashlib.sha256(row.box).hexdigest()]
            for _, row in sorted(self.rows.items())
        ]
        plain = {"schema": SCHEMA_VERSION, "revision": self.revision, "key_id": self.key_id, "rows": rows}
        return json.dumps(plain, sort_keys=True, separators=(",", ":")).encode()
