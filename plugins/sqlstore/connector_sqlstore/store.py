"""The authentication-data store in a SQL table (AUTHD-1, AUTHD-2, AUTHD-5)."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any, NoReturn, TypeVar, final

from sqlalchemy.exc import SQLAlchemyError

from connector.errors import AuthDataError, Reason
from connector.spi import (
    AuthenticationData,
    ProgressListener,
    RotationProgress,
    Secret,
    StoreKeys,
    StoreKeySource,
)
from connector_sqlstore.listing import Listing, Row
from connector_sqlstore.settings import SqlStoreSettings
from connector_sqlstore.tables import LONGEST_ALIAS, ListTables

DATABASE_FAILED = Reason(
    "CF-SQLS-012",
    "the database with the authentication data failed: {why}.",
    "See that it runs and lets this user read and, for changes, write and make its tables; nothing was changed.",
)
LIST_GONE = Reason(
    "CF-SQLS-013",
    "the table {table} was there and has gone.",
    "Bring it back; the data in force stay in force.",
)
LIST_BUSY = Reason(
    "CF-SQLS-014", "the table {table} changed at each of {count} attempts.", "Try again; nothing was changed."
)
ALIAS_UNFIT = Reason(
    "CF-SQLS-015",
    "{alias!r} can't be an authentication alias.",
    "Use a name without control characters and without blanks at its ends, of at most {longest} characters.",
)

_T = TypeVar("_T")

#: Entries that one transaction of a rotation re-encrypts: others wait for no more than that.
BATCH = 100
# A reader may catch a change or a rotation in the middle; a writer may come second. Each time somebody else got on.
_ATTEMPTS = 100
_LOOKS = 5


@final
class SqlStore:
    """Implements :class:`connector.spi.AuthenticationDataStore` and `StampedStore` on a table.

    Args:
        settings: Where it is.
        keys: The keys that entries are encrypted under.
        batch: How many entries one transaction of a rotation takes.

    Constructing connects to nothing. Safe to use from any thread and beside other processes and machines: changes are
    transactions that compare and swap the list's revision, so writers lose nothing of each other's. A list that is not
    there yet is empty, and the first `put` makes its tables.
    """

    def __init__(self, settings: SqlStoreSettings, keys: StoreKeySource, *, batch: int = BATCH) -> None:
        self._engine = settings.engine
        self._tables = ListTables(settings.table)
        self._source = keys
        self._batch = batch
        # Mutable, set once from False to True, by any thread: whether the list has been seen, after which its absence
        # is an error and not an empty list.
        self._seen = False

    @property
    def read_only(self) -> bool:
        """Always False; what the database's user may do shows when it is done."""
        return False

    def load(self) -> Mapping[str, AuthenticationData]:
        """All entries by alias, decrypted; one revision of the list. Blocks for the database and the key source.

        Raises:
            AuthDataError: The database fails (CF-SQLS-012), a newer schema (010), a list that can't be trusted
                (CF-SQLS-011, CF-AUTHD-028) or has gone (013), no usable key (CF-AUTHD-010 to 059), the wrong one (027).
        """
        listing, keys = self._trusted()
        return MappingProxyType({row.alias: _opened(keys, row) for row in listing.entries})

    def put(self, alias: str, user: str, password: Secret, description: str = "") -> AuthenticationData:
        """Add or replace an entry; answers it with its new version. Blocks for the database and for other writers.

        Raises:
            AuthDataError: The alias is unfit (CF-SQLS-015), others were faster each time (014), or as `load`.
        """
        if not alias or alias != alias.strip() or not alias.isprintable() or len(alias) > LONGEST_ALIAS:
            raise AuthDataError(ALIAS_UNFIT, alias=alias[:300], longest=LONGEST_ALIAS)

        def decide(listing: Listing, keys: StoreKeys) -> tuple[AuthenticationData, list[Row]]:
            data = AuthenticationData(alias, user, password, description, listing.next_version(alias))
            return data, [Row(alias, data.version, listing.key_id, keys.seal_entry(listing.key_id, data))]

        return self._change(decide)

    def remove(self, alias: str) -> bool:
        """Remove an entry; False if there was none. Blocks and raises as `put`."""

        def decide(listing: Listing, _keys: StoreKeys) -> tuple[bool, list[Row]]:
            known = listing.rows.get(alias)
            if known is None or known.removed:
                return False, []
            return True, [Row(alias, known.version)]

        return self._change(decide)

    def rotate_key(self, report: ProgressListener | None = None) -> int:
        """Re-encrypt everything under a new key, some entries a transaction. Blocks for the database.

        Versions stay. Until the end the key source holds both keys, so everything can be read at any instant; another
        call goes on where this one was interrupted.

        Raises:
            AuthDataError: The key source can't be changed, or as `put`.
        """
        listing, keys = self._trusted()
        target = self._source.begin_rotation(listing.key_id)
        resumed = target in keys.ids
        for _ in range(_ATTEMPTS + len(listing.rows)):
            listing, keys = self._trusted()
            waiting, total = listing.under_other_keys(target), len(listing.entries)
            _tell(report, total - len(waiting), total, resumed=resumed)
            if listing.revision == 0 or (not waiting and listing.key_id == target):
                self._source.end_rotation(target)
                return total
            batch = waiting[: self._batch]
            rows = [replace(row, key_id=target, box=keys.seal_entry(target, _opened(keys, row))) for row in batch]
            # With the last ones the seal goes over to the new key too, and new entries with it.
            self._swap(listing, keys, rows, target if len(batch) == len(waiting) else listing.key_id)
        raise AuthDataError(LIST_BUSY, table=self._tables.name, count=_ATTEMPTS)

    def stamp(self) -> Hashable:
        """The list's revision: one small query. Raises as `load`, but for keys."""

        def ask() -> Hashable:
            with self._engine.connect() as connection:
                return self._tables.revision(connection)

        return _database(ask)

    def _change(self, decide: Callable[[Listing, StoreKeys], tuple[_T, list[Row]]]) -> _T:
        """Decide on the list as it is and write that, again until nobody else has written meanwhile."""
        for _ in range(_ATTEMPTS):
            listing, keys = self._trusted()
            answer, rows = decide(listing, keys)
            if not rows or self._swap(listing, keys, rows, listing.key_id):
                return answer
        raise AuthDataError(LIST_BUSY, table=self._tables.name, count=_ATTEMPTS)

    def _swap(self, before: Listing, keys: StoreKeys, rows: list[Row], key_id: str) -> bool:
        unsealed = before.changed(rows, key_id)
        after = replace(unsealed, seal=keys.seal(key_id, unsealed.content()))

        def write() -> bool:
            if before.revision == 0:
                self._tables.create(self._engine)
            with self._engine.connect() as connection:
                if not self._tables.swap(connection, before, after, rows):
                    return False  # closing rolls back
                connection.commit()
            self._seen = True
            return True

        return _database(write)

    def _trusted(self) -> tuple[Listing, StoreKeys]:
        """The list, checked, with the keys that it needs; an empty one where there is none yet."""
        for look in range(_LOOKS):
            keys = self._source.read()  # before the list: a rotation has the new key there before the list needs it
            listing = _database(self._listing)
            if listing is None:
                return Listing(0, keys.ids[-1]), keys
            needed = {listing.key_id, *(row.key_id for row in listing.entries)}
            if needed <= set(keys.ids) or look == _LOOKS - 1:
                keys.check(listing.key_id, listing.content(), listing.seal)
                return listing, keys
        raise AssertionError("the last look returns or raises")

    def _listing(self) -> Listing | None:
        with self._engine.connect() as connection:
            for _ in range(_ATTEMPTS):
                listing = self._tables.read(connection)
                if listing is not None:
                    self._seen = True
                    return listing
                if self._tables.revision(connection) is None:
                    if self._seen:
                        raise AuthDataError(LIST_GONE, table=self._tables.name)
                    return None
        raise AuthDataError(LIST_BUSY, table=self._tables.name, count=_ATTEMPTS)

    def __repr__(self) -> str:
        return f"<SqlStore {self._tables.name}>"

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError("a SqlStore can't be pickled or copied: its engine holds a password")


def _database(work: Callable[[], _T]) -> _T:
    """Do something with the database; what it raises becomes ours. Raises AuthDataError (CF-SQLS-012).

    The error is raised outside of the handler: in the frames of a driver's own error stands the password.
    """
    try:
        return work()
    except SQLAlchemyError as error:
        cause = getattr(error, "orig", None) or error
        first = next(iter(str(cause).splitlines()), "")
        why = f"{type(cause).__name__}: {first}"[:300]
    raise AuthDataError(DATABASE_FAILED, why=why)


def _opened(keys: StoreKeys, row: Row) -> AuthenticationData:
    return keys.open_entry(row.key_id or "", row.alias, row.version, row.box or b"")


def _tell(report: ProgressListener | None, done: int, total: int, *, resumed: bool) -> None:
    if report is not None:
        report(RotationProgress(done, total, resumed))
