"""As much of a psycopg connection as psycopg_pool asks for, which does nothing."""

from __future__ import annotations

from typing import Any, ClassVar

from psycopg.pq import TransactionStatus


class FakePgConn:
    """The libpq connection: always idle, so that nothing has to be rolled back."""

    transaction_status: ClassVar[TransactionStatus] = TransactionStatus.IDLE


class FakeConnection:
    """The connection class for the pool.

    `close` gives it back while it is lent, as psycopg's own does with `close_returns`: the pool sets `_pool` then only.
    """

    _pool: Any = None
    # Set by the pool: when the connection was made, and when it has had its day.
    _created_at = 0.0
    _expire_at = 0.0

    def __init__(self) -> None:
        self.pgconn = FakePgConn()

    @classmethod
    def connect(cls, *_arguments: object, **_options: object) -> FakeConnection:
        """Open one, whatever is asked for."""
        return cls()

    def close(self) -> None:
        """Give it back."""
        if self._pool is not None:
            self._pool.putconn(self)

    def rollback(self) -> None:
        """Does nothing."""
