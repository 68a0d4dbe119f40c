"""The tables of the store, and the check that they are ours to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Connection,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    func,
    insert,
    inspect,
    select,
)

from connector.errors import MessagingError, Reason

#: Raised by one with each change of the tables; an older store is brought up to it, a newer one is refused.
SCHEMA_VERSION: Final = 2

STORE_NEWER = Reason(
    "CF-BUS-050",
    "the message store {file} has schema version {found}, this version of the bus knows {known}",
    "Run the version that wrote it, or a newer one; the file was not touched.",
)
STORE_FOREIGN = Reason(
    "CF-BUS-051",
    "the file {file} is a database, but no message store: it has tables and no {missing}",
    "Give the container a state folder of its own; the file was not touched.",
)

metadata = MetaData()

#: SQLite knows one kind of whole number, and only its own name for it makes a primary key the row's own number.
_NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

messages = Table(
    "messages",
    metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("destination", String, nullable=False),
    Column("message_id", String, nullable=False),
    Column("identity_kind", String, nullable=False),
    Column("identity_name", String, nullable=False),
    Column("identity_realm", String, nullable=False),
    Column("reply_to", String),
    Column("correlation_id", String),
    Column("accepted_at", Float),
    Column("expires_at", Float),
    Column("priority", Integer, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("group_id", String),
    Column("mediated", Boolean, nullable=False),
    Column("hops", Integer, nullable=False),
    Column("properties", Text, nullable=False),
    Column("content_kind", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("messages_by_destination", "destination", "sequence"),
)


#: What prepared units hold until their transaction is decided: a message that arrives is in `messages` as well, and in
#: no index; one that leaves is in both, and given to nobody. Apart from `messages`, so that a decision writes no body
#: again, and so that an older store grows by an empty table, whatever its size.
prepared = Table(
    "prepared",
    metadata,
    Column("sequence", _NUMBER, primary_key=True, autoincrement=False),
    Column("branch", String, nullable=False),
    Column("arrives", Boolean, nullable=False),
    Index("prepared_by_branch", "branch"),
)


def _to_version_2(connection: Connection) -> None:
    prepared.create(connection)


#: What leads from a version to the next one, by the version that it leads to.
_MIGRATIONS: Final[Mapping[int, Callable[[Connection], None]]] = MappingProxyType({2: _to_version_2})


def bring_up(connection: Connection, file: str) -> None:
    """Make the tables in an empty store, or bring those of an older version up to ours, in the caller's transaction.

    Blocks for disk. Raises MessagingError: CF-BUS-050 for a newer store, CF-BUS-051 for somebody else's database.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    _require(tables, file, schema_version, messages)
    found = connection.execute(select(func.max(schema_version.c.version))).scalar()
    if found is None:
        raise MessagingError(STORE_FOREIGN, file=file, missing="schema version")
    if found > SCHEMA_VERSION:
        raise MessagingError(STORE_NEWER, file=file, found=found, known=SCHEMA_VERSION)
    if found == SCHEMA_VERSION:
        _require(tables, file, prepared)
    for version in range(found + 1, SCHEMA_VERSION + 1):
        _MIGRATIONS[version](connection)
        connection.execute(insert(schema_version).values(version=version))


def _require(tables: set[str], file: str, *required: Table) -> None:
    for table in required:
        if table.name not in tables:
            raise MessagingError(STORE_FOREIGN, file=file, missing=f"table {table.name}")
