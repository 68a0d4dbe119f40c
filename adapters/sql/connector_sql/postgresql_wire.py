"""Simple queries on one psycopg connection, below its cursors: the exchanges that take and give identities.

Several statements in one round trip, and no loaders, row factories or cursor classes of the application in between.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any, Final

import psycopg
from psycopg import generators, waiting
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, TransactionStatus

_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})

Results = list[psycopg.pq.abc.PGresult]
#: What the driver drives: it waits for the socket and sends in what it is ready for.
Steps = Generator[waiting.Wait, waiting.Ready | int, Results]


class Wire:
    """The exchanges, for threads.

    Args:
        connection: The driver's connection.

    Attributes:
        connection: The driver's connection; set anew where it gets another object around the same session.

    For one thread at a time; the driver's own lock is held during an exchange. Raises psycopg.Error where the server
    refuses or is gone.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self._encoding = connection.info.encoding

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
            result = self.connection.pgconn.exec_(statements.encode(self._encoding))
        return self.checked([result])[-1]

    def several(self, statements: str) -> Results:
        """Several statements in one round trip; answers the result of each."""
        with self.connection.lock:
            self._begin(statements)
            return self.checked(self._driven(generators.execute(self.connection.pgconn)))

    def send(self, statement: str) -> None:
        """Send a statement and don't wait: what is sent next is given to `answers`. Does not block.

        In libpq's pipeline mode, so that something can be sent before the answer has come.
        """
        pgconn = self.connection.pgconn
        pgconn.enter_pipeline_mode()
        pgconn.send_query_params(statement.encode(self._encoding), None)
        pgconn.pipeline_sync()

    def answers(self, *behind: str) -> Results:
        """Read the answer to what was sent; waits where it has not come yet. Raises also where there is none.

        Args:
            behind: Statements that are sent before it is read, so that all take one round trip. They are one
                transaction.

        Answers the results of those, which are not checked yet.
        """
        pgconn = self.connection.pgconn
        for statement in behind:
            pgconn.send_query_params(statement.encode(self._encoding), None)
        if behind:
            pgconn.pipeline_sync()
        # Never libpq's own wait: the driver would keep all other threads waiting with it.
        first = self._driven(_answered(pgconn))
        results = self._driven(_answered(pgconn)) if behind else []
        pgconn.exit_pipeline_mode()
        if not self.checked(first) or self.status != TransactionStatus.IDLE:
            raise psycopg.OperationalError("the session is not at rest after its last statement")
        return results

    def rows(self, statement: str) -> list[tuple[str, ...]]:
        """One query's rows, as texts; null is empty."""
        result = self.exchange(statement)
        return [self.row(result, number) for number in range(result.ntuples)]

    def row(self, result: psycopg.pq.abc.PGresult, number: int = 0) -> tuple[str, ...]:
        """One row of a result, as texts; empty where there is none."""
        if number >= result.ntuples:
            return ()
        values = (result.get_value(number, column) or b"" for column in range(result.nfields))
        return tuple(value.decode(self._encoding) for value in values)

    def _begin(self, statements: str) -> None:
        pgconn = self.connection.pgconn
        pgconn.send_query(statements.encode(self._encoding))
        pgconn.flush()  # what the socket doesn't take at once, which is nothing as a rule, is sent while it is waited

    def _driven(self, steps: Steps) -> Results:
        """Wait until something is through."""
        return self.connection.wait(steps)

    def checked(self, results: Results) -> Results:
        """The same results; raises the error of one that is none."""
        for result in results:
            if result.status not in _GOOD:
                raise error_from_result(result, encoding=self._encoding)
        return results


def _answered(pgconn: psycopg.pq.abc.PGconn) -> Steps:
    """The results of all that was sent before one synchronisation of a pipeline."""
    results: Results = []
    ends = 0  # in a row; after the results of each statement there is one
    pgconn.consume_input()
    while True:
        while pgconn.is_busy():
            yield waiting.WAIT_R
            pgconn.consume_input()
        result = pgconn.get_result()
        if result is None:
            ends += 1
            if ends > 1:
                raise psycopg.OperationalError("the session has no answer to its last statement")
        elif result.status == ExecStatus.PIPELINE_SYNC:
            return results
        else:
            ends = 0
            results.append(result)
