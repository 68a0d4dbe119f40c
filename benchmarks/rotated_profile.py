"""A container whose resources sign on to a real PostgreSQL by one alias that is rotated: for the demonstration of a
rotation under load, and for tests.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from connector import Container, Secret
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key

if TYPE_CHECKING:
    from weather_postgresql import PostgreSQLServer

ALIAS = "ledger"
RESOURCES = ("jdbc/ledger", "jdbc/archive")
USERS = ("ledger_blue", "ledger_green")

_CONFIGURATION = """
[container]
name = "rotating"
state = "state"

[realms.rotating]
path = "users.toml"

[auth_data]
path = "auth-data.vault"
key = "file:vault.key"
"""
_RESOURCE = """
[resources."{name}"]
adapter = "sql"
component_alias = "{alias}"
properties = {{ url = "postgresql+psycopg://{host}:{port}/postgres" }}
pool = {{ {pool} }}
"""


class RotatedProfile:
    """A profile folder with a vault, and two users of the database that its one alias may stand for.

    Args:
        folder: An empty folder.
        server: A running server.
        pool: The settings of both resources' pools, as TOML texts.
    """

    def __init__(self, folder: Path, server: PostgreSQLServer, pool: Mapping[str, str]) -> None:
        self.server = server
        self.path = folder / "connector.toml"
        settings = ", ".join(f"{name} = {value}" for name, value in pool.items())
        resources = [
            _RESOURCE.format(name=name, alias=ALIAS, host=server.host, port=server.port, pool=settings)
            for name in RESOURCES
        ]
        self.path.write_text(_CONFIGURATION + "".join(resources))
        (folder / "users.toml").touch(mode=0o600)
        generate_key(folder / "vault.key")
        self.vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
        self.audit_log = folder / "state" / "audit.log"
        for user in USERS:
            server.run_sql(f"DROP ROLE IF EXISTS {user}; CREATE ROLE {user} LOGIN")
        self.user = USERS[0]
        self.password = new_password()
        self.set_in_database(self.user, self.password)
        self.set_in_store(self.user, self.password)

    def open(self) -> Container:
        """Start the container."""
        return Container.open(self.path, environ={})

    def set_in_database(self, user: str, password: Secret) -> None:
        """Put a password in force where it is checked."""
        self.server.run_sql(f"ALTER ROLE {user} PASSWORD '{password.reveal()}'")

    def set_in_store(self, user: str, password: Secret) -> None:
        """Write user and password to the store; `update_auth_data` puts them in force."""
        self.vault.put(ALIAS, user, password)
        self.user, self.password = user, password

    def refused_logins(self) -> int:
        """How many logins of its users the server has refused, by its own log."""
        return sum(self.server.log().count(f'password authentication failed for user "{user}"') for user in USERS)


def new_password() -> Secret:
    """A random one, fit for a quoted SQL text."""
    return Secret(secrets.token_hex(12))
