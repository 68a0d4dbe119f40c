"""The tables, and the statements on them; no decision is made here (FLOW-3).

A user has a name, which may change, and a unique id, which doesn't.  A group exists that has a row of its own or a
member, so whoever fills the tables by hand need not do it twice.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, final
from uuid import uuid4

from sqlalchemy import Column, Connection, Engine, ForeignKey, MetaData, String, Table, delete, select, update
from sqlalchemy.exc import IntegrityError, OperationalError, ProgrammingError
from sqlalchemy.schema import CreateTable

from connector_sqlregistry.verifiers import VerifierTable

LONGEST_NAME: Final = 255
# Two first writers may make the tables at the same time; the one that comes second finds them at its second look.
_CREATIONS: Final = 3


@final
class UserTables:
    """One realm's tables. Immutable, safe to use from any thread; each method blocks for the database.

    Args:
        prefix: What their names begin with.
        scram: Whether there are verifiers for SCRAM-SHA-256, in a fourth one.

    Methods raise what SQLAlchemy raises. A database may take names for the same that differ (in case, in blanks at
    their end), so what is read is compared once more.
    """

    def __init__(self, prefix: str, *, scram: bool = False) -> None:
        self.prefix = prefix
        self._metadata = MetaData()
        self._users = Table(
            f"{prefix}_users",
            self._metadata,
            Column("name", String(LONGEST_NAME), primary_key=True),
            Column("unique_id", String(36), nullable=False, unique=True),
            Column("password", String(255)),
        )
        self._groups = Table(f"{prefix}_groups", self._metadata, Column("name", String(LONGEST_NAME), primary_key=True))
        self._members = Table(
            f"{prefix}_members",
            self._metadata,
            Column(
                "user_name",
                String(LONGEST_NAME),
                ForeignKey(self._users.c.name, onupdate="CASCADE", ondelete="CASCADE"),
                primary_key=True,
            ),
            Column("group_name", String(LONGEST_NAME), primary_key=True, index=True),
        )

        self.verifiers = VerifierTable(prefix, self._metadata, self._users) if scram else None

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

    def statements(self, engine: Engine) -> tuple[str, ...]:
        """The statements that make them, in the database's own words. Does not block."""
        return tuple(str(CreateTable(table).compile(engine)).strip() for table in self._metadata.sorted_tables)

    def password_of(self, connection: Connection, user: str) -> str | None:
        """A user's password hash; None for an unknown user, and for one without."""
        row = self._row(connection, user)
        return None if row is None else row[2]

    def unique_id_of(self, connection: Connection, user: str) -> str | None:
        """A user's unique id; None for an unknown user."""
        row = self._row(connection, user)
        return None if row is None else row[1]

    def exists(self, connection: Connection, user: str) -> bool:
        """Whether there is the user."""
        return self._row(connection, user) is not None

    def group_exists(self, connection: Connection, group: str) -> bool:
        """Whether there is the group: by a row of its own, or by a member."""
        for column in (self._groups.c.name, self._members.c.group_name):
            if group in connection.scalars(select(column).where(column == group).distinct()):
                return True
        return False

    def groups_of(self, connection: Connection, user: str) -> frozenset[str]:
        """The groups of a user."""
        members = self._members.c
        rows = connection.execute(select(members.user_name, members.group_name).where(members.user_name == user))
        return frozenset(group for name, group in rows if name == user)

    def users(self, connection: Connection) -> tuple[str, ...]:
        """All users, sorted."""
        return tuple(sorted(connection.scalars(select(self._users.c.name))))

    def groups(self, connection: Connection) -> tuple[str, ...]:
        """All groups, sorted."""
        own = set(connection.scalars(select(self._groups.c.name)))
        return tuple(sorted(own.union(connection.scalars(select(self._members.c.group_name).distinct()))))

    def add(
        self, connection: Connection, user: str, password: str, groups: Iterable[str], verifier: str | None = None
    ) -> None:
        """Insert a user and its memberships. Raises IntegrityError where it is there already."""
        connection.execute(self._users.insert().values(name=user, unique_id=str(uuid4()), password=password))
        if self.verifiers is not None and verifier is not None:
            self.verifiers.put(connection, user, password, verifier)
        self._join(connection, user, groups)

    def remove(self, connection: Connection, user: str) -> bool:
        """Delete a user and its memberships; False if there was none."""
        if not self.exists(connection, user):
            return False
        connection.execute(delete(self._members).where(self._members.c.user_name == user))
        if self.verifiers is not None and self.verifiers.exists(connection):
            self.verifiers.remove(connection, user)
        return connection.execute(delete(self._users).where(self._users.c.name == user)).rowcount == 1

    def set_password(self, connection: Connection, user: str, password: str, verifier: str | None = None) -> bool:
        """Replace a user's hash and verifier; False if there is no such user."""
        if not self.exists(connection, user):
            return False
        changed = update(self._users).where(self._users.c.name == user).values(password=password)
        if connection.execute(changed).rowcount != 1:
            return False
        if self.verifiers is not None and verifier is not None:
            self.verifiers.put(connection, user, password, verifier)
        return True

    def set_groups(self, connection: Connection, user: str, groups: Iterable[str]) -> bool:
        """Replace a user's memberships; False if there is no such user."""
        if not self.exists(connection, user):
            return False
        connection.execute(delete(self._members).where(self._members.c.user_name == user))
        self._join(connection, user, groups)
        return True

    def _join(self, connection: Connection, user: str, groups: Iterable[str]) -> None:
        rows = [{"user_name": user, "group_name": group} for group in sorted(set(groups))]
        if rows:
            connection.execute(self._members.insert(), rows)

    def _row(self, connection: Connection, user: str) -> tuple[str, str, str | None] | None:
        columns = (self._users.c.name, self._users.c.unique_id, self._users.c.password)
        for name, unique, password in connection.execute(select(*columns).where(self._users.c.name == user)):
            if name == user:
                return str(name), str(unique), None if password is None else str(password)
        return None
