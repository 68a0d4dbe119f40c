"""The settings of one SQL store: declared keys turned into a checked value (CONF-1)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy.engine import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from connector.errors import ConfigError, Reason
from connector.spi import Secret

URL_WRONG = Reason(
    "CF-SQLS-001",
    "the url of the authentication data can't be used: {why}.",
    "Give a SQLAlchemy URL that names the driver, for example postgresql+psycopg://db.example/security.",
)
DRIVER_MISSING = Reason(
    "CF-SQLS-002",
    "the driver {driver} for the authentication data can't be loaded: {why}.",
    "Install it; for PostgreSQL with: pip install 'connector-framework[postgresql]'.",
)
TABLE_UNFIT = Reason(
    "CF-SQLS-003",
    "{table!r} can't be the name of the table.",
    "Use small letters, digits and underscores, beginning with a letter, at most 50.",
)
PASSWORD_IN_URL = Reason(
    "CF-SQLS-004",
    "the url of the authentication data holds a password.",
    'Take it out, and write password = "file:PATH" or "env:NAME".',
)

DEFAULT_TABLE = "connector_auth_data"
_FIT = re.compile(r"[a-z][a-z0-9_]{0,49}")


@dataclass(frozen=True, slots=True)
class SqlStoreSettings:
    """Where the list rests.

    Attributes:
        engine: Opens a connection for each use and keeps none, so that nothing of it lingers between refreshes.
        table: The name of the table, checked.
    """

    engine: Engine
    table: str


def read_settings(settings: Mapping[str, Any]) -> SqlStoreSettings:
    """From the `[auth_data]` table. Imports the driver; connects to nothing.

    Raises:
        ConfigError: An unusable URL (CF-SQLS-001), one with a password (004), a driver that is not installed (002), an
            unfit name (003).
    """
    table = str(settings.get("table") or DEFAULT_TABLE)
    if not _FIT.fullmatch(table):
        raise ConfigError(TABLE_UNFIT, table=table[:80])
    url = _url(str(settings["url"]), settings.get("user"), settings.get("password"))
    try:
        # hide_parameters: what an error of the driver quotes must not have ciphertexts in it either
        engine = create_engine(url, poolclass=NullPool, hide_parameters=True)
    except NoSuchModuleError as error:
        raise ConfigError(URL_WRONG, why=str(error)) from None
    except ImportError as error:
        raise ConfigError(DRIVER_MISSING, driver=url.drivername, why=str(error)) from None
    return SqlStoreSettings(engine, table)


def _url(text: str, user: object, password: object) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigError(URL_WRONG, why="it is no URL") from None
    if url.password is not None:
        raise ConfigError(PASSWORD_IN_URL)
    if user is not None:
        url = url.set(username=str(user))
    if isinstance(password, Secret):
        url = url.set(password=password.reveal())
    return url
