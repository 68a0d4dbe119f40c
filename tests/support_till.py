"""A container with a bank and a shop on PostgreSQL, a trusted ledger, and a notebook on SQLite."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support_secrets import MARKER

from connector import Container, Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key
from weather_postgresql import PostgreSQLServer

SCHEMA = f"""
CREATE ROLE clerk LOGIN PASSWORD '{MARKER}';
CREATE ROLE keeper LOGIN PASSWORD '{MARKER}';
CREATE ROLE rescuer LOGIN SUPERUSER PASSWORD '{MARKER}';
CREATE ROLE alice NOLOGIN;
CREATE ROLE bob NOLOGIN;
CREATE ROLE till_pool LOGIN NOINHERIT PASSWORD '{MARKER}';
GRANT alice, bob TO till_pool;
"""

DATABASES = ("bank", "shop")

TABLE = """
CREATE TABLE entries (
    id serial PRIMARY KEY, what text NOT NULL UNIQUE DEFERRABLE INITIALLY DEFERRED, who text DEFAULT current_user
);
GRANT ALL ON entries, entries_id_seq TO clerk, keeper, alice, bob;
"""

CONFIGURATION = """
[container]
name = "till"
security = false
realm = "till"
state = "state"

[realms.till]
registry = "file"
path = "users.toml"

[auth_data]
store = "file"
path = "auth-data.vault"
key = "file:vault.key"

[resources.bank]
adapter = "sql"
component_alias = "clerk"
properties = { url = "postgresql+psycopg://HOST:PORT/bank" }

[resources.shop]
adapter = "sql"
component_alias = "keeper"
properties = { url = "postgresql+psycopg://HOST:PORT/shop" }

[resources.trusted]
adapter = "sql"
recovery_alias = "till-pool"
properties = { url = "postgresql+psycopg://HOST:PORT/bank" }

[resources.ledger]
adapter = "sql"
component_alias = "keeper"
properties = { url = "postgresql+psycopg://HOST:PORT/shop", two_phase = false }

[resources.notebook]
adapter = "sql"
properties = { url = "sqlite:///FOLDER/notebook.db" }

[resources.second-notebook]
adapter = "sql"
properties = { url = "sqlite:///FOLDER/second.db" }

[applications]
till = "till.toml"
"""

DESCRIPTOR = """
[application]

[references.bank]
bind = "bank"
res_auth = "Application"

[references.own-bank]
bind = "bank"
res_auth = "Application"
sharing = "Unshareable"

[references.shop]
bind = "shop"
res_auth = "Application"

[references.trusted]
bind = "trusted"
res_auth = "Container"
login = "TrustedConnectionMapping"
alias = "till-pool"

[references.ledger]
bind = "ledger"

[references.notebook]
bind = "notebook"
"""

ALIASES = {"clerk": "clerk", "keeper": "keeper", "till-pool": "till_pool", "rescuer": "rescuer"}


def set_up_databases(server: PostgreSQLServer) -> None:
    """The tables, once a server."""
    for database in DATABASES:
        server.run_sql(f"CREATE DATABASE {database}")
        server.run_sql(TABLE, database)


class Till:
    """The files of one container; opened again and again."""

    def __init__(self, folder: Path, server: PostgreSQLServer) -> None:
        self.folder = folder
        self.server = server
        text = CONFIGURATION.replace("HOST", server.host).replace("PORT", str(server.port))
        self.path = folder / "connector.toml"
        self.path.write_text(text.replace("FOLDER", str(folder)))
        (folder / "till.toml").write_text(DESCRIPTOR)
        generate_key(folder / "vault.key")
        registry = FileUserRegistry("till", folder / "users.toml")
        for user in ("alice", "bob"):
            registry.add_user(user, Secret(MARKER), [])
        vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
        for alias, user in ALIASES.items():
            vault.put(alias, user, Secret(MARKER))
        for name in ("notebook.db", "second.db"):
            with sqlite3.connect(folder / name) as connection:
                connection.execute("CREATE TABLE entries (what text NOT NULL)")
            connection.close()

    def open(self, **options: Any) -> Container:
        """A running container."""
        return Container.open(self.path, environ={}, **options)

    def edit(self, change: Callable[[str], str]) -> None:
        """Change the configuration."""
        self.path.write_text(change(self.path.read_text()))

    def entries(self, database: str) -> list[str]:
        """What stands in a database's table."""
        return [str(what) for (what,) in self.server.run_sql("SELECT what FROM entries ORDER BY id", database)]

    def owners(self, database: str) -> list[tuple[str, str]]:
        """What stands there, and who wrote it."""
        rows = self.server.run_sql("SELECT what, who FROM entries ORDER BY id", database)
        return [(str(what), str(who)) for what, who in rows]

    def noted(self) -> list[str]:
        """What stands in the notebook."""
        connection = sqlite3.connect(self.folder / "notebook.db")
        try:
            return [what for (what,) in connection.execute("SELECT what FROM entries ORDER BY rowid")]
        finally:
            connection.close()

    def prepared(self) -> list[str]:
        """The prepared transactions of the server."""
        return [str(gid) for (gid,) in self.server.run_sql("SELECT gid FROM pg_prepared_xacts ORDER BY gid")]

    def empty(self) -> None:
        """Throw away rows and prepared transactions."""
        for gid, database in self.server.run_sql("SELECT gid, database FROM pg_prepared_xacts"):
            self.server.run_sql(f"ROLLBACK PREPARED '{gid}'", str(database))
        for database in DATABASES:
            self.server.run_sql("DELETE FROM entries", database)


def killed(till: Till, step: str, references: str = "bank,shop") -> None:
    """A process that is gone, in the middle of ending a unit: see `kill_a_unit`."""
    program = Path(__file__).with_name("kill_a_unit.py")
    arguments = [sys.executable, "-W", "error", str(program), str(till.path), references, step]
    done = subprocess.run(arguments, capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr
