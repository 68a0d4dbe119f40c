"""The settings of one SQL resource: declared properties turned into a checked, frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from sqlalchemy.engine import URL, Dialect, Engine, create_engine, make_url
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from connector.errors import ConfigError, Reason
from connector_sql.describing import OF_MYSQL

URL_WRONG = Reason(
    "CF-SQL-002",
    "the url of resource {resource} can't be used: {why}.",
    "Give a SQLAlchemy URL that names the driver, for example postgresql+psycopg://db.example/ledger.",
)
PASSWORD_IN_URL = Reason(
    "CF-SQL-003",
    "the url of resource {resource} holds a password.",
    "Take it out; use an authentication alias, or the properties user and password.",
)
RESERVED_ARGUMENT = Reason(
    "CF-SQL-004",
    "url and connect_args of resource {resource} may not hold {names}: sign-on and session reset depend on it.",
    "Take it out; user and password come from an authentication alias or the properties of those names.",
)
DATABASE_UNFIT = Reason(
    "CF-SQL-005",
    "{setting} of resource {resource} needs {needed}; the url names {found}.",
    "Use a url with that database and driver, or leave the property out.",
)
DRIVER_MISSING = Reason(
    "CF-SQL-006",
    "the driver {driver} for resource {resource} can't be loaded: {why}.",
    "Install it: pip install 'connector-framework[postgresql]' for PostgreSQL, [mariadb] for MariaDB and MySQL.",
)

#: What a driver calls the password in a URL's query or among its arguments.
_PASSWORD_NAMES = frozenset({"password", "passwd", "pwd", "passfile"})
#: Databases that a resource serves for threads and for asyncio: SQLAlchemy's driver for each.
DRIVERS: Final[Mapping[str, tuple[str, str]]] = {
    "postgresql": ("psycopg", "psycopg_async"),
    "sqlite": ("pysqlite", "aiosqlite"),
}
#: Option files bring a user and a password of their own.
_RESERVED = _PASSWORD_NAMES | {"user", "username", "prepare_threshold", "read_default_file", "read_default_group"}
#: Ways to assert a caller other than SET ROLE: SQLAlchemy's names of database and driver that each needs.
STRATEGIES: Final[Mapping[str, tuple[str, str]]] = {
    "trusted-context": ("ibm_db_sa", "ibm_db_sa"),
    "proxy-user": ("oracle", "oracledb"),
    "execute-as": ("mssql", "pyodbc"),
}
_PSYCOPG: Final = "PostgreSQL with the driver psycopg"
_MARIADB: Final = "MariaDB with the driver mysqldb"
_MYSQLDB: Final = "MariaDB or MySQL with the driver mysqldb"


@dataclass(frozen=True, slots=True)
class SqlSettings:
    """What one resource is configured as; holds no password.

    Attributes:
        resource: The resource's global name.
        url: Where the database is; perhaps a user, never a password.
        template: An Engine made for its URL and dialect only, shared by all references; nobody connects through it.
        connect_args: Further arguments for the driver.
        asserts_roles: Whether a caller's identity can be asserted by SET ROLE (TRUST-2).
        verify_login_role: Whether the trusted login role's own rights are checked.
        trust_domain: Names of the only roles that the login role may lead to, or patterns; None for any.
        discards: Whether the whole session of a connection that asserted nobody is reset on return.
        role_database: The database that is selected with the asserted role, since the login user may not enter it: on
            MariaDB, where `url` then names none.
        strategy: How a caller's identity is asserted where it is not by SET ROLE (`caller_strategy`), or None.
        two_phase: Whether a connection takes part in a unit of work in two phases; else as a last resource.
        recovers: Whether the database can be asked after a kill what became of a unit's part.
    """

    resource: str
    url: URL
    template: Engine
    connect_args: Mapping[str, Any]
    asserts_roles: bool
    verify_login_role: bool
    discards: bool
    role_database: str = ""
    trust_domain: tuple[str, ...] | None = None
    strategy: str | None = None
    two_phase: bool = False
    recovers: bool = False
    # A list of one, or empty: the settings for asyncio once they have been asked for.
    _async_twin: list[SqlSettings] = field(default_factory=list, compare=False, repr=False)

    @property
    def for_asyncio(self) -> SqlSettings:
        """The same resource through SQLAlchemy's driver for asyncio, one for all references.

        Loads that driver the first time. Raises ConfigError where there is none, or it is not installed.
        """
        if not self._async_twin:
            # Here, since it loads SQLAlchemy's extension: for those who use it only.
            from connector_sql.async_driver import async_template

            template = async_template(self.resource, self.url)
            self._async_twin.append(replace(self, url=template.url, template=template, _async_twin=[]))
        return self._async_twin[0]

    @property
    def changes_user(self) -> bool:
        """Whether a connection can be signed on anew as another user (POOL-5)."""
        return _changes_user(self.dialect)

    @property
    def serves_asyncio(self) -> bool:
        """Whether SQLAlchemy has a driver for asyncio beside this one; it may still have to be installed."""
        return self.url.get_driver_name() in DRIVERS.get(self.url.get_backend_name(), ())

    @property
    def dialect(self) -> Dialect:
        """SQLAlchemy's dialect, one for all references of the resource."""
        return self.template.dialect


def read_settings(resource: str, properties: Mapping[str, Any]) -> SqlSettings:
    """Check a resource's properties together; loads the driver, does not connect.

    Args:
        resource: The resource's global name.
        properties: As `ra.toml` declares them, validated one by one. `user` and `password` are the resolver's matter
            (SIGN-1) and not looked at.

    Raises ConfigError.
    """
    url = _parse(resource, properties["url"])
    connect_args = dict(properties.get("connect_args") or {})
    reserved = sorted(_RESERVED.intersection((*connect_args, *url.query)))
    if reserved:
        raise ConfigError(RESERVED_ARGUMENT, resource=resource, names=", ".join(reserved))
    url = for_threads(url)
    template = _template(resource, url)
    dialect = template.dialect
    is_psycopg = (dialect.name, dialect.driver) == ("postgresql", "psycopg")
    identity = properties.get("identity") or "automatic"
    discards = properties.get("reset") == "discard"
    wanted = STRATEGIES.get(identity)
    unfit = wanted is not None and wanted != (dialect.name, dialect.driver)
    # Only where it is asked for: with a URL for MySQL nobody knows yet whether the server is MariaDB.
    mariadb_roles = identity == "set-role" and _changes_user(dialect)
    if mariadb_roles and "multi_statements" in connect_args:
        raise ConfigError(RESERVED_ARGUMENT, resource=resource, names="multi_statements")
    for setting, unmet, needed in (
        ("identity", identity == "set-role" and not (is_psycopg or mariadb_roles), f"{_PSYCOPG}, or {_MARIADB}"),
        ("identity", unfit, "{} with the driver {}".format(*(wanted or ("", "")))),
        ("two_phase", bool(properties.get("two_phase")) and not is_psycopg, _PSYCOPG),
        ("reset", discards and not (is_psycopg or _changes_user(dialect)), f"{_PSYCOPG}, or {_MYSQLDB}"),
    ):
        if unmet:
            found = f"{dialect.name}+{dialect.driver}"
            raise ConfigError(DATABASE_UNFIT, resource=resource, setting=setting, needed=needed, found=found)
    verify = properties.get("verify_login_role")
    return SqlSettings(
        resource=resource,
        url=url._replace(database=None) if mariadb_roles else url,
        template=template,
        connect_args=MappingProxyType(connect_args),
        asserts_roles=(is_psycopg and identity != "none") or mariadb_roles,
        verify_login_role=True if verify is None else bool(verify),
        discards=discards,
        role_database=(url.database or "") if mariadb_roles else "",
        trust_domain=tuple(properties["trust_domain"]) if properties.get("trust_domain") is not None else None,
        strategy=identity if wanted is not None else None,
        recovers=is_psycopg,
        two_phase=is_psycopg and properties.get("two_phase") is not False,
    )


def for_threads(url: URL) -> URL:
    """The URL with the driver for threads, where it names the same database's driver for asyncio. Pure."""
    for database, (for_thread, for_loop) in DRIVERS.items():
        if url.drivername == f"{database}+{for_loop}":
            return url.set(drivername=f"{database}+{for_thread}")
    return url


def _changes_user(dialect: Dialect) -> bool:
    # Of the drivers that SQLAlchemy has for these two, pymysql has no change_user, others are not tried.
    return dialect.name in OF_MYSQL and dialect.driver == "mysqldb"


def _parse(resource: str, text: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # Not chained: SQLAlchemy's message repeats the URL, and a password may stand in it.
        raise _url_wrong(resource, "it is no SQLAlchemy URL") from None
    if url.password is not None or _PASSWORD_NAMES.intersection(url.query):
        raise ConfigError(PASSWORD_IN_URL, resource=resource)
    return url


def _template(resource: str, url: URL) -> Engine:
    try:
        template = create_engine(url, poolclass=NullPool)
    except NoSuchModuleError as error:
        raise _url_wrong(resource, f"SQLAlchemy knows no database {url.drivername}") from error
    except ImportError as error:
        raise ConfigError(DRIVER_MISSING, resource=resource, driver=url.drivername, why=error) from error
    except ArgumentError as error:
        raise _url_wrong(resource, str(error)) from error
    if template.dialect.is_async:
        raise _url_wrong(resource, f"{url.drivername} is a driver for asyncio only")
    return template


def _url_wrong(resource: str, why: str) -> ConfigError:
    return ConfigError(URL_WRONG, resource=resource, why=why)
