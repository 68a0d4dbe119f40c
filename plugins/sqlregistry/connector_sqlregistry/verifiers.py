"""The fourth table, of verifiers for SCRAM-SHA-256: only where the realm wants them (CHAIN-5).

A table of its own, so that the three others stay as they are. Each row names the password hash that it was made with,
and counts as long as that is the user's: whoever changes a password without making a verifier, a container whose realm
wants none or an administrator by hand, leaves none in force that belongs to a former password.
"""

from __future__ import annotations

from typing import Any, Final, final

from sqlalchemy import (
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    MetaData,
    Select,
    String,
    Table,
    and_,
    delete,
    inspect,
    select,
)

#: Longer than any that is made.
_LONGEST: Final = 255


@final
class VerifierTable:
    """One realm's verifiers. Safe to use from any thread; each method blocks for the database.

    Args:
        prefix: What the table's name begins with.
        metadata: Where it is declared.
        users: The table of users.

    Mutable state: `_is_there`, which becomes true once.
    """

    def __init__(self, prefix: str, metadata: MetaData, users: Table) -> None:
        self._users = users
        self._is_there = False
        self.table = Table(
            f"{prefix}_scram",
            metadata,
            Column(
                "user_name",
                users.c.name.type,
                ForeignKey(users.c.name, onupdate="CASCADE", ondelete="CASCADE"),
                primary_key=True,
            ),
            Column("password", users.c.password.type, nullable=False),
            Column("verifier", String(_LONGEST), nullable=False),
        )

    def exists(self, connection: Connection) -> bool:
        """Whether the table was made."""
        self._is_there = self._is_there or inspect(connection).has_table(self.table.name)
        return self._is_there

    def put(self, connection: Connection, user: str, password: str, verifier: str) -> None:
        """Insert or replace a user's, made with the password of that hash."""
        self.remove(connection, user)
        connection.execute(self.table.insert().values(user_name=user, password=password, verifier=verifier))

    def remove(self, connection: Connection, user: str) -> None:
        """Delete a user's, if there is any."""
        connection.execute(delete(self.table).where(self.table.c.user_name == user))

    def of(self, connection: Connection, user: str) -> tuple[str | None, str | None]:
        """A user's, and the first of all: both are looked for either way, so that it takes as long for nobody."""
        own = None
        for name, verifier in connection.execute(self._present().where(self._users.c.name == user)):
            own = str(verifier) if name == user else own
        first = connection.execute(self._present().order_by(self.table.c.verifier).limit(1)).first()
        return own, None if first is None else str(first[1])

    def lacking(self, connection: Connection, limit: int | None = None) -> tuple[str, ...]:
        """Who has none, sorted; so many at most."""
        wanted = select(self._users.c.name)
        if self.exists(connection):
            wanted = wanted.outerjoin(self.table, self._belongs()).where(self.table.c.user_name.is_(None))
        return tuple(sorted(connection.scalars(wanted if limit is None else wanted.limit(limit))))

    def _present(self) -> Select[Any, Any]:
        return select(self._users.c.name, self.table.c.verifier).join(self.table, self._belongs())

    def _belongs(self) -> ColumnElement[bool]:
        return and_(self.table.c.user_name == self._users.c.name, self.table.c.password == self._users.c.password)
