"""The tables of the store, and the check that they are ours to use."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

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
    text,
)
from sqlalchemy.schema import CreateColumn

from connector.errors import MessagingError, Reason

STORE_NEWER = Reason(
    "CF-BUS-050",
    "the message store {file} has schema version {found}, this version of the bus knows {known}",
    "Run the version that wrote it, or a newer one; the store was not touched.",
)
STORE_FOREIGN = Reason(
    "CF-BUS-051",
    "{file} is a database, but no message store: it has tables and no {missing}",
    "Give the bus a place of its own, a state folder or a database schema; this one was not touched.",
)

metadata = MetaData()

#: SQLite knows one kind of whole number, and only its own name for it makes a primary key the row's own number.
NUMBER: Final = BigInteger().with_variant(Integer, "sqlite")

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

messages = Table(
    "messages",
    metadata,
    Column("sequence", NUMBER, primary_key=True, autoincrement=False),
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
    Column("deliver_at", Float),
    Column("reliability", String, nullable=False, server_default="assured"),
    Column("transfer", String),
    Column("routing", Text),
    Column("topic", String),
    Column("space", String),
    Column("properties", Text, nullable=False),
    Column("content_kind", String, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("messages_by_destination", "destination", "sequence"),
)
#: The columns of a message, in their order.
NAMES: Final = tuple(column.name for column in messages.columns)
#: The columns that the first versions don't have.
_SINCE_QUALITY: Final = (messages.c.deliver_at, messages.c.reliability)
_SINCE_LINKS: Final = (messages.c.transfer, messages.c.routing)
#: And those that came with topic spaces: what rests on a subscription says which topic space it was published to.
_SINCE_TOPICS: Final = (messages.c.topic, messages.c.space)

#: One line for each subscription; those that aren't durable are here only in a store that several engines share.
subscriptions = Table(
    "subscriptions",
    metadata,
    Column("place", String, primary_key=True),
    Column("space", String, nullable=False),
    Column("through", String, nullable=False),
    Column("name", String),
    Column("pattern", String, nullable=False),
    Column("selector", Text),
    Column("owner_kind", String, nullable=False),
    Column("owner_name", String, nullable=False),
    Column("owner_realm", String, nullable=False),
    Column("durable", Boolean, nullable=False),
    Column("shared", Boolean, nullable=False),
    Column("engine", String),
    Column("made_at", Float, nullable=False),
    Column("no_local", String),
)

#: What came over links, until the other side says that it will not send it again: written with its message, so that
#: whatever happens to either side nothing comes twice.
link_transfers = Table(
    "link_transfers",
    metadata,
    Column("link", String, primary_key=True),
    Column("transfer", String, primary_key=True),
)

#: What prepared units hold until their transaction is decided: a message that arrives is in `messages` as well, and in
#: no index; one that leaves is in both, and given to nobody. Apart from `messages`, so that a decision writes no body
#: again, and so that an older store grows by an empty table, whatever its size.
prepared = Table(
    "prepared",
    metadata,
    Column("sequence", NUMBER, primary_key=True, autoincrement=False),
    Column("branch", String, nullable=False),
    Column("arrives", Boolean, nullable=False),
    Index("prepared_by_branch", "branch"),
)


def _to_version_2(connection: Connection) -> None:
    prepared.create(connection)


def add_quality(connection: Connection) -> None:
    """Delivery times and reliability: at once, whatever the size, since no row is written."""
    _add(connection, _SINCE_QUALITY)


def add_links(connection: Connection) -> None:
    """What a message on a link's queue is bound for, paths, and what came over links: at once, as above."""
    _add(connection, _SINCE_LINKS)
    link_transfers.create(connection)


def add_topics(connection: Connection) -> None:
    """The topics of messages, where they were published, and the subscriptions."""
    _add(connection, _SINCE_TOPICS)
    subscriptions.create(connection)


def add_no_local(connection: Connection) -> None:
    """Whose publications a subscription is without: at once, as above. A table made by `add_topics` has it."""
    present = {column["name"] for column in inspect(connection).get_columns(subscriptions.name)}
    if subscriptions.c.no_local.name not in present:
        declared = CreateColumn(subscriptions.c.no_local).compile(connection)
        connection.execute(text(f"ALTER TABLE {subscriptions.name} ADD COLUMN {declared}"))


def _add(connection: Connection, columns: Iterable[Column[Any]]) -> None:
    for column in columns:
        declared = CreateColumn(column).compile(connection)
        connection.execute(text(f"ALTER TABLE {messages.name} ADD COLUMN {declared}"))


@dataclass(frozen=True, slots=True)
class Schema:
    """The tables of a kind of store, and how it came to them.

    Attributes:
        metadata: The tables as they are now.
        version: Raised by one with each change of the tables; an older store is brought up to it, a newer one refused.
        migrations: What leads to a version from the one before.
        always: The tables that every version has.
    """

    metadata: MetaData
    version: int
    migrations: Mapping[int, Callable[[Connection], None]]
    always: tuple[Table, ...]

    def bring_up(self, connection: Connection, place: str, namespace: str | None = None) -> bool:
        """Make the tables in an empty store, or bring those of an older version up, in the caller's transaction.

        Blocks for the database. Answers whether an older store was brought up.

        Args:
            connection: Where to.
            place: How an error names the store.
            namespace: The database's schema that it is in, if it isn't the whole database.

        Raises MessagingError: CF-BUS-050 for a newer store, CF-BUS-051 for somebody else's database.
        """
        tables = set(inspect(connection).get_table_names(namespace))
        if not tables:
            self.metadata.create_all(connection, checkfirst=False)
            connection.execute(insert(schema_version).values(version=self.version))
            return False
        _require(tables, place, (schema_version, *self.always))
        found = connection.execute(select(func.max(schema_version.c.version))).scalar()
        if found is None:
            raise MessagingError(STORE_FOREIGN, file=place, missing="schema version")
        if found > self.version:
            raise MessagingError(STORE_NEWER, file=place, found=found, known=self.version)
        if found == self.version:
            _require(tables, place, self.metadata.tables.values())
        for version in range(found + 1, self.version + 1):
            self.migrations[version](connection)
            connection.execute(insert(schema_version).values(version=version))
        return bool(found < self.version)


#: The store in a file.
EMBEDDED: Final = Schema(
    metadata,
    6,
    MappingProxyType({2: _to_version_2, 3: add_quality, 4: add_links, 5: add_topics, 6: add_no_local}),
    (messages,),
)


def _require(tables: set[str], place: str, required: Iterable[Table]) -> None:
    for table in required:
        if table.name not in tables:
            raise MessagingError(STORE_FOREIGN, file=place, missing=f"table {table.name}")
