"""A fresh profile for the demo: users with random passwords, a vault, the forecast log's database."""

from __future__ import annotations

import secrets
import shutil
import sqlite3
from dataclasses import dataclass
from pathlib import Path

from connector import Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key
from weather_postgresql import PostgreSQLServer

HERE = Path(__file__).parent
DESCRIPTORS = ("connector.toml", "export.toml", "uk-weather.toml", "fr-weather.toml", "http-front.toml")

#: Who exists, and in which groups. carol is a client of the bus, but no forecaster.
USERS: dict[str, tuple[str, ...]] = {
    "alice": ("clients", "forecasters"),
    "bob": ("clients", "forecasters"),
    "carol": ("clients",),
    "weather-applications": (),
    "uk-service": (),
    "fr-service": (),
    "weather-engines": (),
    "admin": ("operators",),
}

#: The login role has no rights of its own and is a member of the callers' roles only: it can become them, no more.
POSTGRESQL_SCHEMA = """
CREATE ROLE alice NOLOGIN;
CREATE ROLE bob NOLOGIN;
CREATE ROLE forecast_pool LOGIN NOINHERIT PASSWORD '{password}';
GRANT alice, bob TO forecast_pool;
CREATE TABLE forecast_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asked_by text NOT NULL DEFAULT current_user,
    connected_as text NOT NULL DEFAULT session_user,
    caller text NOT NULL, location text NOT NULL, day text NOT NULL
);
GRANT SELECT, INSERT ON forecast_log TO alice, bob;
ALTER TABLE forecast_log ENABLE ROW LEVEL SECURITY;
CREATE POLICY own_rows ON forecast_log USING (asked_by = current_user);
"""

SQLITE_SCHEMA = """
CREATE TABLE forecast_log (
    id integer PRIMARY KEY, asked_by text, connected_as text,
    caller text NOT NULL, location text NOT NULL, day text NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Profile:
    """A folder that a container can be started from, and what the demo's people know.

    Attributes:
        configuration: The configuration file.
        passwords: Password by user.
        overrides: Settings for this run: where the database is.
    """

    configuration: Path
    passwords: dict[str, Secret]
    overrides: dict[str, object]


def make_profile(folder: Path, server: PostgreSQLServer | None) -> Profile:
    """Make a fresh profile in `folder`, which is emptied first.

    Args:
        folder: Where.
        server: The running PostgreSQL server, or None for SQLite.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    for name in DESCRIPTORS:
        shutil.copyfile(HERE / name, folder / name)
    passwords = {user: Secret(secrets.token_urlsafe(12)) for user in USERS}
    registry = FileUserRegistry("weather", folder / "users.toml")
    for user, groups in USERS.items():
        registry.add_user(user, passwords[user], groups)
    log_password = Secret(secrets.token_urlsafe(12))
    generate_key(folder / "vault.key")
    vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
    for alias in ("weather-applications", "uk-service", "fr-service", "weather-engines"):
        vault.put(alias, alias, passwords[alias])
    vault.put("forecast-log", "forecast_pool", log_password)
    overrides = _postgresql(server, log_password) if server is not None else _sqlite(folder)
    return Profile(folder / "connector.toml", passwords, overrides)


def _postgresql(server: PostgreSQLServer, password: Secret) -> dict[str, object]:
    server.run_sql("CREATE DATABASE weather")
    server.run_sql(POSTGRESQL_SCHEMA.format(password=password.reveal()), database="weather")
    url = f"postgresql+psycopg://{server.host}:{server.port}/weather"
    return {"resources": {"jdbc/forecast-log": {"properties": {"url": url}}}}


def _sqlite(folder: Path) -> dict[str, object]:
    database = folder / "forecast-log.db"
    with sqlite3.connect(database) as connection:
        connection.executescript(SQLITE_SCHEMA)
    connection.close()
    # SQLite has no users: nobody signs on, so there is nothing to map a caller to.
    log = {"login": "DefaultPrincipalMapping", "alias": None, "on_no_credential": "factory-default"}
    return {
        "resources": {"jdbc/forecast-log": {"properties": {"url": f"sqlite:///{database}"}}},
        "applications": {"uk-weather": {"descriptor": "uk-weather.toml", "references": {"jdbc/log": log}}},
    }
