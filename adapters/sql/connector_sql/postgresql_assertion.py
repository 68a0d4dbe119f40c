"""A caller asserted in the round trip that begins his first transaction (TRUST-1).

psycopg begins a transaction by itself, in a round trip of its own before the first statement. So a caller who is to be
asserted waits for that on the driver's connection, and goes along::

    BEGIN; SET ROLE "alice"; SHOW role; COMMIT; BEGIN

in one simple query: outside the caller's transaction, whose rollback would undo it, and before anything that the caller
sends. Whatever begins otherwise (autocommit, a pipeline, the driver's own commands) has the assertion in a round trip
of its own in front. Only what is sent by libpq itself (`pgconn`) goes past it, and works as the login role, which has
no rights.

The hooks are the driver's own, through which all of its statements go (`tests/sql/test_first_statement.py` goes through
every way to send one). Should it have none, some day, callers are asserted at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Protocol, final

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, PipelineStatus
from psycopg.pq.abc import PGresult

_GOOD: Final = frozenset({ExecStatus.TUPLES_OK, ExecStatus.COMMAND_OK})
_NO_PIPELINE: Final = PipelineStatus.OFF

Results = list[PGresult]

#: Whether the driver has the hooks.
HOOKED: Final = all(
    hasattr(psycopg.BaseConnection, hook) for hook in ("_start_query", "_exec_command", "_get_tx_start_command")
)


class AssertedSession(Protocol):
    """The session that a caller is to be asserted on."""

    def require_rest(self) -> None:
        """Raises IdentityMismatch for a session with a transaction, or with an answer that nobody has read."""
        ...

    def verify(self, answer: PGresult) -> None:
        """Look at who the session is now; raises IdentityMismatch where that is somebody else."""
        ...

    def failed(self, error: BaseException) -> BaseException:
        """End the session, since something was raised in place of success; answers what to raise."""
        ...


def checked(results: Results, encoding: str) -> Results:
    """The same results, of several statements in one round trip; raises psycopg.Error where one was refused, after
    which there are no more.

    Args:
        results: One at least.
        encoding: Of the server's message.
    """
    last = results[-1]
    if last.status not in _GOOD:
        raise error_from_result(last, encoding=encoding)
    return results


@final
class Assertion:
    """One caller who is to be asserted before anything else is sent.

    Args:
        session: On which session.
        statements: What asserts him and asks who it is then, encoded; the answer is the last one's.
        encoding: Theirs, and of the server's messages.

    For whoever has the connection, under the driver's lock.
    """

    __slots__ = ("_session", "_statements", "_encoding")

    def __init__(self, session: AssertedSession, statements: bytes, encoding: str) -> None:
        self._session = session
        self._statements = statements
        self._encoding = encoding

    def make(self, pgconn: psycopg.pq.abc.PGconn, begin: bytes) -> PQGen[None]:
        """Assert, verify and, where there is a `begin`, begin with it: one round trip."""
        session, text = self._session, self._statements
        try:
            session.require_rest()
            pgconn.send_query(b"BEGIN; %b; COMMIT; %b" % (text, begin) if begin else text)
            results = checked((yield from generators.execute(pgconn)), self._encoding)
            session.verify(results[-3 if begin else -1])
        except BaseException as error:
            reason = session.failed(error)
            if reason is error:
                raise
            raise reason from error


class AssertsFirst(psycopg.BaseConnection[Any]):
    """What both kinds of connections have in common.

    Attributes:
        assertion: What has to come before any statement; None once it has, or where there is nobody to assert.
    """

    assertion: Assertion | None = None

    def _start_query(self) -> PQGen[None]:
        if self.assertion is None:
            return super()._start_query()
        if self._autocommit or self.pgconn.pipeline_status != _NO_PIPELINE:
            return self._assert_and(super()._start_query)
        return self._assert(self._get_tx_start_command())

    def _exec_command(self, *command: Any, **options: Any) -> PQGen[Any]:
        execute = super()._exec_command
        if self.assertion is None:
            return execute(*command, **options)
        return self._assert_and(lambda: execute(*command, **options))

    def _assert_and(self, go_on: Callable[[], PQGen[Any]]) -> PQGen[Any]:
        """Assert in a round trip of its own; a pipeline begins behind it."""
        pgconn = self.pgconn
        within = pgconn.pipeline_status != _NO_PIPELINE
        if within:
            pgconn.exit_pipeline_mode()
        yield from self._assert(b"")
        if within:
            pgconn.enter_pipeline_mode()
        return (yield from go_on())

    def _assert(self, begin: bytes) -> PQGen[None]:
        assertion = self.assertion
        if assertion is not None:
            yield from assertion.make(self.pgconn, begin)
            self.assertion = None


@final
class AssertingConnection(AssertsFirst, psycopg.Connection[Any]):
    """The driver's connection for threads, with an assertion before the first statement."""


@final
class AsyncAssertingConnection(AssertsFirst, psycopg.AsyncConnection[Any]):
    """The driver's connection for asyncio, with an assertion before the first statement."""


def asserting(connection: psycopg.BaseConnection[Any]) -> type[AssertingConnection | AsyncAssertingConnection]:
    """The kind that goes with a connection of the driver's."""
    return AsyncAssertingConnection if isinstance(connection, psycopg.AsyncConnection) else AssertingConnection
