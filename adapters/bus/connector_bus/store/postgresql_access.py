"""How a store in PostgreSQL is reached: connections for a moment, and what becomes of their errors (BUS-1)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from connector.errors import MessagingError, Reason
from connector_bus.store.postgresql_place import driver_error
from connector_bus.store.writer import OUTCOME_UNKNOWN, STORE_FAILED, StoreUncertain

READ_FAILED = Reason(
    "CF-BUS-086",
    "the message store {store} can't be read: {cause}",
    "The messages are still in it; look after the server.",
)


@final
class PostgresqlAccess:
    """Connections to one store. Safe to use from any thread; it has no state of its own.

    Args:
        pool: Where the connections come from; disposed of by whoever made it.
        shown: How errors name the store.

    Attributes:
        errors: What may be raised by connections, before `telling` has made a MessagingError of it.
    """

    def __init__(self, pool: Engine, shown: str) -> None:
        self._pool = pool
        self._shown = shown
        # The driver's own as well: the connection that listens is used without SQLAlchemy.
        self.errors: tuple[type[Exception], ...] = (SQLAlchemyError, driver_error(pool))

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that only looks. Raises MessagingError CF-BUS-086."""
        with self.telling(READ_FAILED), self._pool.connect() as connection:
            yield connection

    @contextmanager
    def working(self) -> Iterator[Connection]:
        """A connection whose work is committed at the end of the block. Raises MessagingError CF-BUS-086."""
        with self.telling(READ_FAILED), self._pool.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """The same for changes of the bus. Raises MessagingError CF-BUS-052, StoreUncertain CF-BUS-053."""
        with self.telling(STORE_FAILED), self._pool.connect() as connection, connection.begin() as transaction:
            yield connection
            try:
                transaction.commit()
            except DBAPIError as error:
                if error.connection_invalidated:
                    raise StoreUncertain(OUTCOME_UNKNOWN, store=self._shown) from error
                raise

    @contextmanager
    def telling(self, reason: Reason) -> Iterator[None]:
        """For the `with` block errors of the database are MessagingErrors, for the reason given."""
        try:
            yield
        except self.errors as error:
            cause = str(getattr(error, "orig", None) or type(error).__name__).strip()
            raise MessagingError(reason, store=self._shown, cause=cause) from error

    def detached(self) -> Any:
        """A driver's connection of its own, in autocommit mode."""
        proxied = self._pool.raw_connection()
        driver: Any = proxied.driver_connection
        proxied.detach()
        driver.autocommit = True
        return driver
