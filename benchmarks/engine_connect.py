"""`engine.connect()` and close through the SQL adapter with container-managed sign-on, against a plain engine.

Both on SQLite in memory: SQLAlchemy's Connection above and the driver's rollback below cost alike on both sides, and
nothing waits, so that the difference is what stands between them: QueuePool there, sign-on and our pool here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.harness import Result, compare, seconds_each
from benchmarks.lease import as_alice, signed_on_manager

RESOURCE = "jdbc/ledger"


def run(*, quick: bool) -> list[Result]:
    """Measure."""
    count, rounds = (500, 7) if quick else (4_000, 41)
    ours, theirs = _ours(), _plain()

    def side(connect: Callable[[], Any]) -> Callable[[], float]:
        return lambda: seconds_each(lambda: connect().close(), count) * 1e6

    note = "connect and close on SQLite in memory, whose rollback is in both; ours with container-managed sign-on"
    with as_alice():
        return [
            compare(
                "engine_connect",
                "sqlalchemy-engine",
                side(ours),
                side(theirs),
                goal=0.6,
                unit="us",
                rounds=rounds,
                note=note,
            )
        ]


def _ours() -> Callable[[], Any]:
    from connector_sql.factory import SqlManagedConnectionFactory
    from connector_sql.settings import read_settings

    factory = SqlManagedConnectionFactory(read_settings(RESOURCE, {"url": "sqlite://"}))
    connect: Callable[[], Any] = factory.create_connection_factory(signed_on_manager(factory=factory)).engine.connect
    return connect


def _plain() -> Callable[[], Any]:
    from sqlalchemy import create_engine
    from sqlalchemy.pool import QueuePool

    # As our adapter connects: without SQLite's own check of threads.
    return create_engine("sqlite://", poolclass=QueuePool, connect_args={"check_same_thread": False}).connect
