"""Where a store in PostgreSQL is, and the connections to it (BUS-1)."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from sqlalchemy import URL, Engine, create_engine, event, make_url
from sqlalchemy.exc import ArgumentError

from connector.errors import MessagingError, Reason
from connector.spi import Secret

STORE_UNREACHABLE = Reason(
    "CF-BUS-083",
    "the message store {store} can't be reached: {cause}",
    "Look after the server, the network, and store_url, store_user and store_password of the bus.",
)
DRIVER_MISSING = Reason(
    "CF-BUS-084",
    "the message store {store} needs the driver psycopg, which is not installed",
    "Install connector-framework[bus,postgresql].",
)
#: PostgreSQL's limit for names, in bytes.
_NAME_LIMIT = 63


@dataclass(frozen=True, slots=True)
class PostgresqlPlace:
    """Where a shared store is.

    Attributes:
        url: A SQLAlchemy URL without user and password.
        user: The database user.
        password: Its password.
        bus: The bus; its store is a database schema of its own.
        lease: Seconds after which an engine that shows no sign of life is fenced.
    """

    url: str
    user: str | None
    password: Secret | None
    bus: str
    lease: float

    @property
    def namespace(self) -> str:
        """The database schema: different for different buses, whatever their names."""
        name = f"bus_{self.bus}"
        if len(name.encode()) <= _NAME_LIMIT:
            return name
        return f"bus_{hashlib.sha256(self.bus.encode()).hexdigest()[:32]}"

    @property
    def shown(self) -> str:
        """For errors and logs: the URL has no password."""
        return f"{self.url} ({self.namespace})"


def driver_error(engine: Engine) -> type[Exception]:
    """The base of what the driver raises by itself."""
    driver: Any = engine.dialect.dbapi
    error: type[Exception] = driver.Error
    return error


def open_engine(place: PostgresqlPlace) -> Engine:
    """A pool of connections to a store, each of which sees the tables of its bus. Connects to nothing yet.

    Raises MessagingError CF-BUS-083 where the URL is none, -084 without its driver.
    """
    try:
        url: URL = make_url(place.url).set(drivername="postgresql+psycopg")
    except ArgumentError:
        raise MessagingError(STORE_UNREACHABLE, store=place.bus, cause="store_url is no URL") from None
    password = None if place.password is None else place.password.reveal()
    if place.user is not None:
        url = url.set(username=place.user, password=password)
    try:
        # hide_parameters: a failing statement's error would quote message bodies.
        engine = create_engine(url, hide_parameters=True, pool_pre_ping=True, pool_size=8, max_overflow=24)
    except ModuleNotFoundError:
        raise MessagingError(DRIVER_MISSING, store=place.shown) from None
    quoted = engine.dialect.identifier_preparer.quote(place.namespace)
    milliseconds = max(1, int(place.lease * 1000))

    def configure(connection: Any, _record: Any) -> None:
        connection.execute(f"SET search_path TO {quoted}")
        # A process that is paused within a transaction must not keep its locks for longer than its lease.
        connection.execute(f"SET idle_in_transaction_session_timeout TO {milliseconds}")
        # What is acknowledged survives a crash of the server, whatever the database's default is for others.
        connection.execute(
            "SELECT set_config('synchronous_commit', 'on', false) WHERE current_setting('synchronous_commit') = 'off'"
        )
        connection.commit()

    event.listen(engine, "connect", configure)
    return engine
