"""Simple queries on one psycopg connection, below its cursors: the exchanges that take and give identities.

Several statements in one round trip, and no loaders, row factories or cursor classes of the application in between.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import generators
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus

_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})

Results = list[psycopg.pq.abc.PGresult]


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
    def is_broken(self) -> bool:
        """Whether the server is gone. Does not ask it."""
        return self.connection.closed

    def set(self, name: str, value: Any) -> None:
        """Change a setting of the driver's, on a session at rest."""
        setattr(self.connection, name, value)

    def exchange(self, statements: str) -> psycopg.pq.abc.PGresult:
        """One or several statements in one round trip; answers the last one's result."""
        with self.connection.lock:
            # Faster than `several`: libpq waits by itself, without the interpreter's lock.
            result = self.connection.pgconn.exec_(statements.encode(self.encoding))
        if result.status not in _GOOD:
            raise error_from_result(result, encoding=self.encoding)
        return result

    def several(self, statements: str) -> Results:
        """Several statements in one round trip; answers the result of each, for `checked`. After the first one that is
        refused there are no more.
        """
        connection = self.connection
        with connection.lock:
            connection.pgconn.send_query(statements.encode(self.encoding))
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
        last = results[-1]
        if last.status not in _GOOD:
            raise error_from_result(last, encoding=self.encoding)
        return results
