"""What a database says of itself: its name, its version, and who is at work on a session."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy.engine import Dialect

#: Who the session is, by SQLAlchemy's name of the database; a database that isn't here isn't asked.
_CURRENT_USER: Final = {
    "postgresql": "SELECT current_user",
    # Not user(), which is what the client called itself: the account that the server took it for.
    "mysql": "SELECT current_user()",
    "mariadb": "SELECT current_user()",
    "mssql": "SELECT suser_sname()",
    "oracle": "SELECT user FROM dual",
}
_PRODUCTS: Final = {"postgresql": "PostgreSQL", "mysql": "MySQL", "mariadb": "MariaDB", "sqlite": "SQLite"}
#: Databases whose accounts are a user at a host; a mysql:// URL serves both.
OF_MYSQL: Final = frozenset({"mysql", "mariadb"})


def is_mariadb(dialect: Dialect) -> bool:
    """Whether the server is MariaDB, whatever the URL calls it. Known from the first connection on."""
    return bool(getattr(dialect, "is_mariadb", False))


def product_of(dialect: Dialect) -> str:
    """The product's name, for people."""
    return "MariaDB" if is_mariadb(dialect) else _PRODUCTS.get(dialect.name, dialect.name)


def version_of(dialect: Dialect) -> str:
    """The server's version as SQLAlchemy learnt it from the first connection."""
    version = getattr(dialect, "server_version_info", None)
    return ".".join(str(part) for part in version) if version else "unknown"


def user_question(dialect: Dialect) -> str | None:
    """The SQL that asks who the session is; None for a database without an answer."""
    return _CURRENT_USER.get(dialect.name)


def user_in(dialect: Dialect, answer: Any) -> str:
    """The user in the answer: of MariaDB and MySQL without the host, as a credential names it. Pure."""
    text = answer.decode() if isinstance(answer, bytes) else str(answer)
    return text.rpartition("@")[0] if dialect.name in OF_MYSQL else text
