"""Driver modules that record what is called and answer by a script: for databases that no server is here for."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import pytest
from sqlalchemy.dialects import registry
from sqlalchemy.engine.default import DefaultDialect
from support_secrets import MARKER

from connector import Secret
from connector.spi import IdentityAssertion, PasswordCredential, Subject
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.opening import Opening
from connector_sql.settings import read_settings

#: SQL → the row, or an error to raise.
Script = Callable[[str], "tuple[Any, ...] | Exception | None"]


class DriverError(Exception):
    """What a recorded driver raises."""


class Recorder(ModuleType):
    """A driver module.

    Attributes:
        calls: What was called, in order, connections numbered from 1.
        script: What SQL answers; a test sets it.
        options: What a connection answers where nothing was set on it.
        users: Who was signed on, where the driver is told by the name `user`.
    """

    apilevel, threadsafety, paramstyle, version, __version__ = "2.0", 1, "qmark", "99.0.0", "99.0.0"
    Error = DatabaseError = OperationalError = InterfaceError = ProgrammingError = DriverError

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.calls: list[tuple[Any, ...]] = []
        self.script: Script = lambda sql: None
        self.connections: list[RecordedConnection] = []
        self.users: list[str] = []
        self.options: dict[Any, Any] = {}

    def __getattr__(self, name: str) -> Any:
        """The types and constants that SQLAlchemy's dialects look for."""
        if not name[:1].isupper():
            raise AttributeError(name)
        setattr(self, name, type(name, (), {}))
        return getattr(self, name)

    def makedsn(self, *parts: Any, **named: Any) -> str:
        return ":".join(str(part) for part in parts)

    def connect(self, *positional: Any, **named: Any) -> RecordedConnection:
        self.users.append(str(named.get("user")))
        answer = self.script(f"connect {named.get('user', '')}")
        self.calls.append(("connect", *positional, _shown(named)))
        if isinstance(answer, Exception):
            raise answer
        self.connections.append(RecordedConnection(self, len(self.connections) + 1))
        return self.connections[-1]


class RecordedConnection:
    """One connection of a recorded driver."""

    autocommit = False

    def __init__(self, driver: Recorder, number: int) -> None:
        self._driver = driver
        self.number = number
        self.options: dict[Any, Any] = {}
        self.closed = False

    def _record(self, *call: Any) -> None:
        self._driver.calls.append((self.number, *call))

    def cursor(self) -> RecordedCursor:
        return RecordedCursor(self, self._driver)

    def rollback(self) -> None:
        self._record("rollback")

    def close(self) -> None:
        self._record("close")
        self.closed = True

    def add_output_converter(self, *_: Any) -> None:
        pass

    def set_option(self, options: Mapping[Any, Any]) -> bool:
        self._record("set_option", _shown(options))
        self.options.update(options)
        return True

    def get_option(self, option: Any) -> Any:
        self._record("get_option", option)
        return self.options.get(option, self._driver.options.get(option))


class RecordedCursor:
    """A cursor of a recorded driver."""

    description = None

    def __init__(self, connection: RecordedConnection, driver: Recorder) -> None:
        self._connection = connection
        self._driver = driver
        self._row: tuple[Any, ...] | None = None

    def execute(self, sql: str) -> None:
        self._driver.calls.append((self._connection.number, "execute", sql))
        answer = self._driver.script(sql)
        if isinstance(answer, Exception):
            raise answer
        self._row = answer

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._row

    def close(self) -> None:
        pass


class Db2Dialect(DefaultDialect):
    """Stands for the dialect of the package ibm_db_sa: its names, and how it passes user and password."""

    name = driver = "ibm_db_sa"
    supports_statement_cache = True

    @classmethod
    def import_dbapi(cls) -> ModuleType:
        return sys.modules["ibm_db_dbi"]

    def create_connect_args(self, url: Any) -> Any:
        return (f"DATABASE={url.database}", url.username, url.password, "", ""), {}


def _shown(options: Mapping[Any, Any]) -> dict[Any, Any]:
    """Options to compare with; the password is a word, for no test may show it."""
    return {key: "the password" if value == MARKER else value for key, value in options.items()}


class TrustedConnection:
    """A managed connection of the trusted user `door` over a recorded driver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, module: str, url: str, identity: str) -> None:
        self.driver = Recorder(module)
        monkeypatch.setitem(sys.modules, module, self.driver)
        if module == "ibm_db_dbi":
            registry.register("db2.ibm_db", __name__, "Db2Dialect")
            constants = Recorder("ibm_db")
            for name in ("USE_TRUSTED_CONTEXT", "TRUSTED_CONTEXT_USERID", "TRUSTED_CONTEXT_PASSWORD"):
                setattr(constants, f"SQL_ATTR_{name}", f"SQL_ATTR_{name}")
            setattr(constants, "SQL_TRUE", 1)  # noqa: B010 - for the type checker
            monkeypatch.setitem(sys.modules, "ibm_db", constants)
        self.settings = settings = read_settings("jdbc/ledger", {"url": url, "identity": identity})
        self.factory = SqlManagedConnectionFactory(settings)
        self.opening = opening = Opening(settings, self.factory)
        login = PasswordCredential("door", Secret(MARKER), self.factory)
        credential = opening.credential(Subject(credentials=[login]))
        self.connection = SqlManagedConnection(
            opening.connect(credential), settings, opening=opening, credential=credential, audit=None
        )

    @property
    def calls(self) -> list[tuple[Any, ...]]:
        """What was called since the last time this was asked."""
        calls, self.driver.calls = self.driver.calls, []
        return calls

    def become(self, user: str) -> None:
        self.connection.switch_identity(IdentityAssertion(user, "test", factory=self.factory))
