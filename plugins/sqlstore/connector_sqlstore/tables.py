"""The two tables, and the statements on them; no decision is made here (AUTHD-2)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import final

from sqlalchemy import (
    Column,
    Connection,
    Engine,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    inspect,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError

from connector.errors import AuthDataError, Reason
from connector_sqlstore.listing import SCHEMA_VERSION, Listing, Row

SCHEMA_NEWER = Reason(
    "CF-SQLS-010",
    "the table {table} has the schema version {version}, this version of the framework knows up to {known}.",
    "Use the newer version of the framework that wrote it; older ones must not write to it.",
)
LIST_TORN = Reason(
    "CF-SQLS-011",
    "the table {table} can't be trusted: {why}.",
    "Bring both tables back from the last good copy; the data that were in force stay in force.",
)

LONGEST_ALIAS = 255
_STATE_ID = 1
# Two first writers may make the tables at the same time; the one that comes second finds them at its second look.
_CREATIONS = 3


@final
class ListTables:
    """One list's tables. Immutable, safe to use from any thread; each method blocks for the database.

    Args:
        name: The name of the entries' table.

    Methods raise what SQLAlchemy raises, besides what they name.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._metadata = MetaData()
        self._entries = Table(
            name,
            self._metadata,
            Column("alias", String(LONGEST_ALIAS), primary_key=True),
            Column("version", Integer, nullable=False),
            Column("key_id", String(64)),
            Column("box", LargeBinary),
        )
        self._state = Table(
            f"{name}_state",
            self._metadata,
            Column("id", Integer, primary_key=True, autoincrement=False),
            Column("schema_version", Integer, nullable=False),
            Column("revision", Integer, nullable=False),
            Column("key_id", String(64), nullable=False),
            Column("seal", LargeBinary, nullable=False),
        )

    def create(self, engine: Engine) -> None:
        """Make what is missing of them."""
        for attempt in range(_CREATIONS):
            try:
                self._metadata.create_all(engine)
            except (IntegrityError, OperationalError, ProgrammingError):
                if attempt == _CREATIONS - 1:
                    raise
            else:
                return

    def revision(self, connection: Connection) -> int | None:
        """The revision; None where there is no list yet.

        Raises:
            AuthDataError: A newer schema (CF-SQLS-010), or entries without their state (CF-SQLS-011).
        """
        version = self._schema_version(connection)
        if version is None and self._has_entries(connection):
            # Asked again: a first writer may have come between, and its entries came with their state.
            version = self._schema_version(connection)
            if version is None:
                raise AuthDataError(LIST_TORN, table=self.name, why="its state is missing")
        if version is None:
            return None
        if version > SCHEMA_VERSION:
            raise AuthDataError(SCHEMA_NEWER, table=self.name, version=version, known=SCHEMA_VERSION)
        return connection.scalar(select(self._state.c.revision).where(self._state.c.id == _STATE_ID))

    def _schema_version(self, connection: Connection) -> int | None:
        """Read by itself and before anything else: the only column that every schema to come is sure to have."""
        if not inspect(connection).has_table(self._state.name):
            return None
        return connection.scalar(select(self._state.c.schema_version).where(self._state.c.id == _STATE_ID))

    def _has_entries(self, connection: Connection) -> bool:
        if not inspect(connection).has_table(self.name):
            return False
        return connection.scalar(select(self._entries.c.alias).limit(1)) is not None

    def read(self, connection: Connection) -> Listing | None:
        """The list as it is; None where there is none, or where it changed meanwhile. Raises like `revision`."""
        if self.revision(connection) is None:
            return None
        state = self._state_row(connection)
        rows = {row.alias: Row(row.alias, row.version, row.key_id, row.box) for row in self._rows(connection)}
        if state is None or self._state_row(connection) != state:
            return None
        revision, key_id, seal = state
        return Listing(revision, key_id, seal, rows)

    def _rows(self, connection: Connection) -> Iterable[Row]:
        for alias, version, key_id, box in connection.execute(select(self._entries)):
            yield Row(alias, version, key_id, None if box is None else bytes(box))

    def _state_row(self, connection: Connection) -> tuple[int, str, bytes] | None:
        columns = (self._state.c.revision, self._state.c.key_id, self._state.c.seal)
        found = connection.execute(select(*columns).where(self._state.c.id == _STATE_ID)).one_or_none()
        return None if found is None else (int(found[0]), str(found[1]), bytes(found[2]))

    def swap(self, connection: Connection, before: Listing, after: Listing, rows: Iterable[Row]) -> bool:
        """Write the state and these rows, if the list is still the one before; for within a transaction.

        The state comes first: its row is what other writers wait for. Once it is written the rows are known to be those
        of before, so whether one is new is not asked of the database: one that takes `A` and `a` for the same would
        write over another's.
        """
        state = {"revision": after.revision, "key_id": after.key_id, "seal": after.seal}
        if before.revision == 0:
            try:
                connection.execute(self._state.insert().values(id=_STATE_ID, schema_version=SCHEMA_VERSION, **state))
            except IntegrityError:
                return False
        else:
            unchanged = (self._state.c.id == _STATE_ID, self._state.c.revision == before.revision)
            if connection.execute(update(self._state).where(*unchanged).values(**state)).rowcount != 1:
                return False
        for row in rows:
            values = {"version": row.version, "key_id": row.key_id, "box": row.box}
            if row.alias in before.rows:
                connection.execute(update(self._entries).where(self._entries.c.alias == row.alias).values(**values))
            else:
                connection.execute(self._entries.insert().values(alias=row.alias, **values))
        return True
