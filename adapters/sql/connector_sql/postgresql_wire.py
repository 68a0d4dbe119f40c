"""Simple queries on one psycopg connection, below its cursors: the exchanges that take and give identities.

Several statements in one round trip, and no loaders, row factories or cursor classes of the application in between.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import psycopg
from psycopg import generators

from connector_sql.postgresql_assertion import Assertion, AssertsFirst, Results, checked


class Wire:
    """The exchanges, for threads.

    Args:
        connection: The driver's connection.

    Attributes:
        connection: The driver's connection; set anew where it gets another object around the same session.
        encoding: What its texts are encoded in, by Python's name.

    For one thread at a time; the driver's own lock is held during an exchange. Raises psycopg.Error where the server
    refuses or is gone.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.encoding = connection.info.encoding

    @property
    def status(self) -> int:
        """The transaction status, by libpq. Does not ask the server."""
        return self.connection.pgconn.transaction_status

    @property
    def lock(self) -> AbstractContextManager[Any]:
        """Held, nobody else sends anything by the driver's object. Blocks for what is being sent."""
        return self.connection.lock

    @property
    def is_to_assert(self) -> bool:
        """Whether a caller is still to be asserted, with the first statement."""
        connection = self.connection
        return isinstance(connection, AssertsFirst) and connection.assertion is not None

    def assert_first(self, assertion: Assertion) -> None:
        """Have a caller asserted with the first statement. Does not block."""
        connection = self.connection
        assert isinstance(connection, AssertsFirst), "see DriverState.renewed"
        connection.assertion = assertion

    @property
    def is_broken(self) -> bool:
        """Whether the server is gone. Does not ask it."""
        return self.connection.closed

    def set(self, name: str, value: Any) -> None:
        """Change a setting of the driver's, on a session at rest."""
        setattr(self.connection, name, value)

    def exchange(self, statements: str | bytes) -> psycopg.pq.abc.PGresult:
        """One or several statements in one round trip; answers the last one's result."""
        text = statements if isinstance(statements, bytes) else statements.encode(self.encoding)
        with self.connection.lock:
            # Faster than `several`: libpq waits by itself, without the interpreter's lock.
            result = self.connection.pgconn.exec_(text)
        return self.checked([result])[0]

    def several(self, statements: bytes) -> Results:
        """Several statements in one round trip; answers the result of each, for `checked`. After the first one that is
        refused there are no more.
        """
        connection = self.connection
        with connection.lock:
            connection.pgconn.send_query(statements)
            return connection.wait(generators.execute(connection.pgconn))

    def rows(self, statement: str) -> list[tuple[str, ...]]:
        """One query's rows, as texts; null is empty."""
        result = self.exchange(statement)
        return [self.row(result, number) for number in range(result.ntuples)]

    def row(self, result: psycopg.pq.abc.PGresult, number: int = 0) -> tuple[str, ...]:
        """One row of a result, as texts; empty where there is none."""
        if number >= result.ntuples:
            return ()
        values = (result.get_value(number, column) or b"" for column in range(result.nfields))
        return tuple(value.decode(self.encoding) for value in values)

    def checked(self, results: Results) -> Results:
        """The same results; raises psycopg.Error where a statement was refused."""
        return checked(results, self.encoding)
