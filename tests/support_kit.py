"""The backends by which our own adapters and mappers are certified."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import text
from sqlalchemy.util import greenlet_spawn
from support_mariadb import MariaDBServer
from support_secrets import MARKER

from connector.spi import (
    AsyncManagedConnection,
    AuthenticationData,
    ManagedConnection,
    PasswordCredential,
    Secret,
    Subject,
)
from connector.testing import Backend, Facet, Login, MapperBackend, MapperCase, Outcome, UserName
from connector_bus import BusResourceAdapter
from connector_bus.adapter.managed import BusManagedConnection
from connector_configured import ConfiguredIdentityModule
from connector_default import DefaultPrincipalMappingModule
from connector_onetoone import OneToOneModule
from connector_sql import SqlResourceAdapter
from connector_sql.async_managed_connection import AsyncSqlManagedConnection
from connector_sql.managed_connection import SqlManagedConnection
from connector_trusted import TrustedConnectionMappingModule
from weather_postgresql import PostgreSQLServer

SQL_ROLES = f"""
CREATE ROLE kit_alice LOGIN PASSWORD '{MARKER}-alice';
CREATE ROLE kit_bob LOGIN PASSWORD '{MARKER}-bob';
CREATE ROLE kit_carol NOLOGIN;
CREATE ROLE kit_dave NOLOGIN;
CREATE ROLE kit_door LOGIN NOINHERIT PASSWORD '{MARKER}-door';
GRANT kit_carol, kit_dave TO kit_door WITH INHERIT FALSE, SET TRUE;
"""


class SqlBackend(Backend):
    """What both databases have in common: SQLAlchemy's handles."""

    adapter = SqlResourceAdapter
    whoami = "SELECT NULL"

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:
            yield lambda: connection.scalar(text(self.whoami))

    def user_of(self, connection: ManagedConnection) -> UserName:
        user: UserName = self._rows(connection, self.whoami)[0][0]
        return user

    @asynccontextmanager
    async def borrowed_async(self, connections: Any) -> AsyncIterator[Callable[[], Awaitable[UserName]]]:
        async with connections.get_async_connection() as connection:
            yield lambda: connection.scalar(text(self.whoami))

    async def user_of_async(self, connection: AsyncManagedConnection) -> UserName:
        assert isinstance(connection, AsyncSqlManagedConnection)
        return await greenlet_spawn(self.user_of, connection.within)

    async def kill_async(self, connection: AsyncManagedConnection) -> None:
        assert isinstance(connection, AsyncSqlManagedConnection)
        await asyncio.to_thread(self.kill, connection.within)

    async def soil_async(self, connection: AsyncManagedConnection) -> None:
        assert isinstance(connection, AsyncSqlManagedConnection)
        await greenlet_spawn(self.soil, connection.within)

    async def is_soiled_async(self, connection: AsyncManagedConnection) -> bool:
        assert isinstance(connection, AsyncSqlManagedConnection)
        return await greenlet_spawn(self.is_soiled, connection.within)

    def soil(self, connection: ManagedConnection) -> None:
        self._rows(connection, "CREATE TEMPORARY TABLE left_behind (it text)")

    def _rows(self, connection: ManagedConnection, sql: str) -> list[Any]:
        assert isinstance(connection, SqlManagedConnection)
        cursor = connection.dbapi_connection.cursor()
        try:
            cursor.execute(sql)
            described: Any = cursor.description
            return [] if described is None else list(cursor.fetchall())
        finally:
            cursor.close()


class SqliteBackend(SqlBackend):
    """A file that whoever can open it may read."""

    lacks = {
        Facet.USERS: "SQLite knows no users",
        Facet.NETWORK: "SQLite is a library",
        Facet.KILL: "there is no server that could drop a connection",
    }

    def __init__(self, url: str) -> None:
        self._url = url

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"url": self._url}

    def soil(self, connection: ManagedConnection) -> None:
        self._rows(connection, "BEGIN")
        super().soil(connection)

    def is_soiled(self, connection: ManagedConnection) -> bool:
        return bool(self._rows(connection, "SELECT 1 FROM sqlite_temp_master WHERE name = 'left_behind'"))


class PostgreSQLBackend(SqlBackend):
    """A server with two logins, and a trusted one for two callers."""

    whoami = "SELECT current_user"

    def __init__(self, server: PostgreSQLServer) -> None:
        self._server = server

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"url": f"postgresql+psycopg://{self._server.host}:{self._server.port}/postgres"}

    @property
    def logins(self) -> tuple[Login, ...]:
        return tuple(Login(f"kit_{name}", Secret(f"{MARKER}-{name}")) for name in ("alice", "bob"))

    @property
    def trusted(self) -> Login:
        return Login("kit_door", Secret(f"{MARKER}-door"))

    @property
    def callers(self) -> tuple[str, ...]:
        return ("kit_carol", "kit_dave")

    def unreachable(self) -> Mapping[str, Any]:
        return {"url": "postgresql+psycopg://127.0.0.1:1/postgres"}

    def relayed(self, relay: Callable[[str, int], int]) -> Mapping[str, Any]:
        return {"url": f"postgresql+psycopg://127.0.0.1:{relay(self._server.host, self._server.port)}/postgres"}

    def kill(self, connection: ManagedConnection) -> None:
        assert isinstance(connection, SqlManagedConnection)
        driver: Any = connection.dbapi_connection
        self._server.run_sql(f"SELECT pg_terminate_backend({driver.info.backend_pid}, 10000)")

    def is_soiled(self, connection: ManagedConnection) -> bool:
        return bool(self._rows(connection, "SELECT 1 FROM pg_class WHERE relname = 'left_behind'"))


MARIADB_USERS = f"""
CREATE DATABASE kit;
CREATE TABLE kit.notes (it VARCHAR(20));
CREATE USER kit_alice@'127.0.0.1' IDENTIFIED BY '{MARKER}-alice';
CREATE USER kit_bob@'127.0.0.1' IDENTIFIED BY '{MARKER}-bob';
GRANT ALL ON kit.* TO kit_alice@'127.0.0.1';
GRANT ALL ON kit.* TO kit_bob@'127.0.0.1';
"""


class MariaDBBackend(SqlBackend):
    """A server with two logins; a return discards the whole session."""

    whoami = "SELECT SUBSTRING_INDEX(CURRENT_USER(), '@', 1)"
    reset = "discard"

    def __init__(self, server: MariaDBServer) -> None:
        self._server = server

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"url": f"mariadb+mysqldb://{self._server.host}:{self._server.port}/kit", "reset": self.reset}

    @property
    def logins(self) -> tuple[Login, ...]:
        return tuple(Login(f"kit_{name}", Secret(f"{MARKER}-{name}")) for name in ("alice", "bob"))

    def unreachable(self) -> Mapping[str, Any]:
        return {"url": "mariadb+mysqldb://127.0.0.1:1/kit"}

    def kill(self, connection: ManagedConnection) -> None:
        assert isinstance(connection, SqlManagedConnection)
        self._server.kill_connection(connection.record.driver_connection.thread_id())

    def soil(self, connection: ManagedConnection) -> None:
        self._rows(connection, "CREATE TEMPORARY TABLE notes (it text)")
        self._rows(connection, "SET @left_behind = 1")

    def is_soiled(self, connection: ManagedConnection) -> bool:
        if self._rows(connection, "SELECT @left_behind")[0][0] is not None:
            return True
        # Temporary tables stand in no catalogue; that of this name comes before the one that is there.
        created = self._rows(connection, "SHOW CREATE TABLE notes")[0][1]
        return "TEMPORARY" in str(created)


class RollingBackMariaDBBackend(MariaDBBackend):
    """The same, where a return takes back the transaction only."""

    reset = "rollback"

    def soil(self, connection: ManagedConnection) -> None:
        self._rows(connection, "INSERT INTO notes VALUES ('left behind')")

    def is_soiled(self, connection: ManagedConnection) -> bool:
        return bool(self._rows(connection, "SELECT 1 FROM notes"))


class BusBackend(Backend):
    """A bus in this process; its users are the container's."""

    adapter = BusResourceAdapter
    lacks = {
        Facet.NETWORK: "the bus runs in this process",
        Facet.KILL: "in process there is no wire to break",
    }

    @property
    def properties(self) -> Mapping[str, Any]:
        return {"bus": "kit"}

    @property
    def sections(self) -> Mapping[str, Any]:
        bus = {
            "security": True,
            "roles": {"connector": ["AllAuthenticated"]},
            "identity_assertion": ["user:door"],
            "destinations": {"letters": {}},
        }
        return {"buses": {"kit": bus}}

    @property
    def logins(self) -> tuple[Login, ...]:
        return tuple(Login(name, Secret(f"{MARKER}-{name}")) for name in ("alice", "bob"))

    @property
    def trusted(self) -> Login:
        return Login("door", Secret(f"{MARKER}-door"))

    @property
    def callers(self) -> tuple[str, ...]:
        return ("carol", "dave")

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:

            def whoami() -> UserName:
                connection.send("letters", "who am I?")
                message = connection.receive("letters")
                return None if message is None else str(message.identity.name)

            yield whoami

    def user_of(self, connection: ManagedConnection) -> UserName:
        assert isinstance(connection, BusManagedConnection)
        if not connection.validate():
            raise ConnectionError("it was destroyed")
        caller = connection.subject.caller
        return None if caller is None else caller.name

    def soil(self, connection: ManagedConnection) -> None:
        assert isinstance(connection, BusManagedConnection)
        self._reply_queue = connection.new_reply_queue()

    def is_soiled(self, connection: ManagedConnection) -> bool:
        assert isinstance(connection, BusManagedConnection)
        try:
            connection.bus.engine.destinations.get(self._reply_queue)
        except Exception:
            return False
        return True


class BusTopicsBackend(BusBackend):
    """The same, where who one is is published to a topic space and heard by a subscription."""

    @property
    def sections(self) -> Mapping[str, Any]:
        bus = super().sections["buses"]["kit"]
        return {"buses": {"kit": {**bus, "destinations": {"letters": {"type": "topic-space"}}}}}

    @contextmanager
    def borrowed(self, connections: Any) -> Iterator[Callable[[], UserName]]:
        with connections.get_connection() as connection:

            def whoami() -> UserName:
                with connection.subscribe("letters", "who/#") as subscription:
                    connection.send("letters", "who am I?", topic="who/am/I")
                    message = subscription.receive()
                return None if message is None else str(message.identity.name)

            yield whoami


ALIASES = (
    AuthenticationData("ledger", "ledger_user", Secret(f"{MARKER}-1"), version=3),
    AuthenticationData("archive", "archive_user", Secret(f"{MARKER}-2"), version=1),
)
ALICE = Subject.of_user("alice", "kit", ["clerks"])
BOB = Subject.of_user("bob", "kit")


class DefaultMappingBackend(MapperBackend):
    module = DefaultPrincipalMappingModule
    aliases = ALIASES

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("the ledger's alias", Outcome.SUCCEEDS, ALICE, {"alias": "ledger"}),
            MapperCase("the archive's alias, nobody calls", Outcome.SUCCEEDS, None, {"alias": "archive"}),
            MapperCase("no alias", Outcome.IGNORES, ALICE),
            MapperCase("an unknown alias", Outcome.FAILS, ALICE, {"alias": "gone"}),
        )


class TrustedMappingBackend(MapperBackend):
    module = TrustedConnectionMappingModule
    aliases = ALIASES

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("alice", Outcome.SUCCEEDS, ALICE, {"alias": "ledger"}),
            MapperCase("bob, with groups", Outcome.SUCCEEDS, BOB, {"alias": "archive", "propagate_groups": "true"}),
            MapperCase("nobody", Outcome.FAILS, None, {"alias": "ledger"}),
            MapperCase("an unknown alias", Outcome.FAILS, ALICE, {"alias": "gone"}),
        )


class ConfiguredIdentityBackend(MapperBackend):
    """Anybody may call, so that nothing but the alias counts."""

    module = ConfiguredIdentityModule
    options: Mapping[str, Any] = {"alias": "ledger"}
    aliases = ALIASES

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("alice", Outcome.SUCCEEDS, ALICE, {"alias": "gone"}),
            MapperCase("nobody", Outcome.SUCCEEDS, None),
        )


class UsersOnlyBackend(ConfiguredIdentityBackend):
    """Only users may call."""

    options = {"alias": "archive", "user": "nightly", "caller": "user"}

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("alice", Outcome.SUCCEEDS, ALICE),
            MapperCase("bob", Outcome.SUCCEEDS, BOB),
            MapperCase("nobody", Outcome.FAILS, None),
            MapperCase("the container's own work", Outcome.FAILS, Subject.server("kit", "kit")),
        )


class OneToOneTableBackend(MapperBackend):
    """A table in a file of its own."""

    module = OneToOneModule
    aliases = ALIASES

    def __init__(self, folder: Path) -> None:
        table = folder / "callers.toml"
        table.write_text(
            '[callers]\nalice = "ledger"\n"bob@kit" = { user = "bob_db", alias = "archive" }\ncarol = "gone"\n'
        )
        self.options = {"table": table, "realm": "kit"}

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            MapperCase("alice", Outcome.SUCCEEDS, ALICE),
            MapperCase("bob, with another user", Outcome.SUCCEEDS, BOB),
            MapperCase("an alias that is not there", Outcome.FAILS, Subject.of_user("carol", "kit")),
            MapperCase("a stranger", Outcome.IGNORES, Subject.of_user("dave", "kit")),
            MapperCase("nobody", Outcome.IGNORES, None),
        )


class OneToOneRulesBackend(MapperBackend):
    """Rules over patterns, groups and everybody else."""

    module = OneToOneModule
    aliases = ALIASES
    options: Mapping[str, Any] = {
        "rules": (
            {"caller": "(.+)@archive", "alias": "{realm}", "user": "{1}_of_{property.target}"},
            {"group": "clerks", "alias": "ledger"},
            {"caller": "*", "alias": "{property.target}"},
        ),
        "realm": "kit",
        "unmapped": "fail",
    }

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        target = {"target": "archive"}
        return (
            MapperCase("an archivist", Outcome.SUCCEEDS, Subject.of_user("carol", "archive"), target),
            MapperCase("a clerk", Outcome.SUCCEEDS, ALICE, target),
            MapperCase("anybody else", Outcome.SUCCEEDS, BOB, target),
            MapperCase("a reference that says no target", Outcome.FAILS, BOB),
            MapperCase("nobody", Outcome.FAILS, None, target),
        )


class OneToOneOwnCredentialBackend(MapperBackend):
    """What callers hold themselves."""

    module = OneToOneModule
    options: Mapping[str, Any] = {"own_credential": "any-resource"}

    @property
    def cases(self) -> tuple[MapperCase, ...]:
        return (
            *(
                MapperCase(name, Outcome.SUCCEEDS, Subject.of_user(name, "kit", credentials=[held]))
                for name in ("alice", "bob")
                for held in [PasswordCredential(f"{name}_db", Secret(f"{MARKER}-{name}"))]
            ),
            MapperCase("who holds nothing", Outcome.IGNORES, ALICE),
            MapperCase("nobody", Outcome.IGNORES, None),
        )
