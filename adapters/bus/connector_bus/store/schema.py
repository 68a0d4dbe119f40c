"""The tables of the store, and the check that they are ours to use."""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
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
SCHEMA_VERSION: Final = 1

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

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

messages = Table(
    "messages",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=False),
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


def prepare(connection: Connection, file: str) -> None:
    """Make the tables in an empty file, or check that they are of our version.

    Blocks for disk. Raises MessagingError: CF-BUS-050 for a newer store, CF-BUS-051 for somebody else's database.
    """
    tables = set(inspect(connection).get_table_names())
    if not tables:
        metadata.create_all(connection)
        connection.execute(insert(schema_version).values(version=SCHEMA_VERSION))
        return
    for table in (schema_version, messages):
        if table.name not in tables:
            raise MessagingError(STORE_FOREIGN, file=file, missing=f"table {table.name}")
    found = connection.execute(select(func.max(schema_version.c.version))).scalar()
    if found is None:
        raise MessagingError(STORE_FOREIGN, file=file, missing="schema version")
    if found > SCHEMA_VERSION:
        raise MessagingError(STORE_NEWER, file=file, found=found, known=SCHEMA_VERSION)
