"""The tables of a store in PostgreSQL that several engines share."""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    Sequence,
    String,
    Table,
    func,
    text,
)
from sqlalchemy.schema import CreateColumn

from connector_bus.store import schema

metadata = MetaData()

#: `claimed_by` of a message that arrives with a prepared unit: nobody sees it before the decision.
ARRIVING: Final = 0
#: `claimed_by` of a message that leaves with a prepared unit: no engine's epoch, so no fencing frees it.
LEAVING: Final = -1

#: Numbers are given by the database, in the transaction of the arrival: the order over all engines.
message_sequence = Sequence("message_sequence", metadata=metadata)
engine_epoch = Sequence("engine_epoch", metadata=metadata)

schema_version = schema.schema_version.to_metadata(metadata)

messages = schema.messages.to_metadata(metadata)
#: NULL: free. Else the epoch of the engine that has claimed it, or ARRIVING, or LEAVING.
messages.append_column(Column("claimed_by", BigInteger))
Index(
    "messages_free",
    messages.c.destination,
    messages.c.mediated,
    messages.c.priority.desc(),
    messages.c.sequence,
    postgresql_where=messages.c.claimed_by.is_(None),
)
#: When the next message of a queue is due that nobody can have yet.
_DUE = Index(
    "messages_due", messages.c.destination, messages.c.deliver_at, postgresql_where=messages.c.deliver_at.is_not(None)
)
Index("messages_claimed", messages.c.claimed_by, postgresql_where=messages.c.claimed_by.is_not(None))

prepared = schema.prepared.to_metadata(metadata)
#: The name of the engine whose transactions decide about it, and the claim that a removal goes back to.
prepared.append_column(Column("owner", String, nullable=False))
prepared.append_column(Column("claim", BigInteger, nullable=False))

link_transfers = schema.link_transfers.to_metadata(metadata)
subscriptions = schema.subscriptions.to_metadata(metadata)
#: Counts the changes of subscriptions: engines compare it before they publish.
subscription_changes = Table(
    "subscription_changes",
    metadata,
    Column("number", BigInteger, nullable=False),
)

engines = Table(
    "engines",
    metadata,
    Column("epoch", BigInteger, primary_key=True, autoincrement=False),
    Column("name", String, nullable=False, unique=True),
    Column("seen", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("proof", LargeBinary),
)


def _to_version_2(connection: Connection) -> None:
    schema.add_quality(connection)
    _DUE.create(connection)


def _to_version_4(connection: Connection) -> None:
    schema.add_topics(connection)
    subscription_changes.create(connection)


def _to_version_5(connection: Connection) -> None:
    declared = CreateColumn(engines.c.proof).compile(connection)
    connection.execute(text(f"ALTER TABLE {engines.name} ADD COLUMN {declared}"))


SHARED: Final = schema.Schema(
    metadata,
    6,
    MappingProxyType(
        {2: _to_version_2, 3: schema.add_links, 4: _to_version_4, 5: _to_version_5, 6: schema.add_no_local}
    ),
    (messages,),
)
