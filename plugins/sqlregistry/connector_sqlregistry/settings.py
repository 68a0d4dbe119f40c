"""The settings of one registry: declared keys turned into an engine and checked names (CONF-1)."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy.engine import URL, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from connector.errors import ConfigError, Reason
from connector.spi import Secret

URL_WRONG = Reason(
    "CF-SQLR-001",
    "the url of the users of realm {realm!r} can't be used: {why}.",
    "Give a SQLAlchemy URL that names the driver, for example postgresql+psycopg://db.example/users.",
)
DRIVER_MISSING = Reason(
    "CF-SQLR-002",
    "the driver {driver} for the users of realm {realm!r} can't be loaded: {why}.",
    "Install it; for PostgreSQL with: pip install 'connector-framework[postgresql]'.",
)
TABLES_UNFIT = Reason(
    "CF-SQLR-003",
    "{tables!r} can't be what the tables' names begin with.",
    "Use small letters, digits and underscores, beginning with a letter, at most 40.",
)
PASSWORD_IN_URL = Reason(
    "CF-SQLR-004",
    "the url of the users of realm {realm!r} holds a password.",
    'Take it out, and write password = "file:PATH" or "env:NAME".',
)

DEFAULT_TABLES: Final = "connector"
DEFAULT_TIMEOUT: Final = 5.0
_FIT = re.compile(r"[a-z][a-z0-9_]{0,39}")


@dataclass(frozen=True, slots=True)
class SqlRegistrySettings:
    """Where the users rest.

    Attributes:
        engine: Keeps a few connections, each looked at before it is used; none is held while a password is hashed.
        tables: What the names of the tables begin with, checked.
        scram: Whether new passwords get a verifier for SCRAM-SHA-256, and users sign on by it once each has one.
    """

    engine: Engine
    tables: str
    scram: bool = False


def read_settings(realm: str, settings: Mapping[str, Any]) -> SqlRegistrySettings:
    """From the `[realms.NAME]` table. Imports the driver; connects to nothing.

    Raises:
        ConfigError: An unusable URL (CF-SQLR-001), one with a password (004), a driver that is not installed (002), an
            unfit name (003).
    """
    tables = str(settings.get("tables") or DEFAULT_TABLES)
    if not _FIT.fullmatch(tables):
        raise ConfigError(TABLES_UNFIT, tables=tables[:80])
    url = _url(realm, str(settings["url"]), settings.get("user"), settings.get("password"))
    timeout = float(settings.get("timeout", DEFAULT_TIMEOUT))
    try:
        engine = create_engine(
            url,
            # What an error of the driver quotes must not have hashes in it.
            hide_parameters=True,
            pool_pre_ping=True,
            pool_recycle=600,
            connect_args=connect_arguments(url, timeout),
            **_pool(url, timeout),
        )
    except NoSuchModuleError as error:
        raise ConfigError(URL_WRONG, realm=realm, why=str(error)) from None
    except ImportError as error:
        raise ConfigError(DRIVER_MISSING, realm=realm, driver=url.drivername, why=str(error)) from None
    return SqlRegistrySettings(engine, tables, settings.get("scram") is True)


def connect_arguments(url: URL, timeout: float) -> dict[str, Any]:
    """How a driver is told that connecting and each statement end after so many seconds; nothing for an unknown one.

    Pure. A registry that hangs would hang every delivery.
    """
    whole = max(1, math.ceil(timeout))
    match url.drivername:
        case "postgresql+psycopg" | "postgresql":
            return {
                "connect_timeout": max(2, whole),  # libpq takes 1 for 2
                "options": f"-c statement_timeout={int(timeout * 1000)}",
                "tcp_user_timeout": int(timeout * 1000),
            }
        case "mysql+mysqldb" | "mariadb+mysqldb" | "mysql+pymysql" | "mariadb+pymysql":
            return {"connect_timeout": whole, "read_timeout": whole, "write_timeout": whole}
        case "sqlite" | "sqlite+pysqlite":
            return {"timeout": timeout}
        case _:
            return {}


def _pool(url: URL, timeout: float) -> dict[str, Any]:
    if url.get_backend_name() == "sqlite" and url.database in (None, "", ":memory:"):
        return {}  # SQLAlchemy's own pool for a database in memory has no sizes
    return {"pool_size": 2, "max_overflow": 8, "pool_timeout": timeout}


def _url(realm: str, text: str, user: object, password: object) -> URL:
    try:
        url = make_url(text)
    except ArgumentError:
        raise ConfigError(URL_WRONG, realm=realm, why="it is no URL") from None
    if url.password is not None:
        raise ConfigError(PASSWORD_IN_URL, realm=realm)
    if user is not None:
        url = url.set(username=str(user))
    if isinstance(password, Secret):
        url = url.set(password=password.reveal())
    return url
