"""A request on PostgreSQL as one caller after the other, on one trusted connection, against what does less, or more.

Less: the same request through a plain SQLAlchemy engine and through psycopg_pool, always as one and the same user.
More: a login for each request, which is what remains without trusted connections. A request is: get a connection,
`SELECT 1` in a transaction, give the connection back. "Raw" is the driver's cursor on a leased connection, without
SQLAlchemy's Connection above.

What makes the figure: the switch and its check go along with the begin of the first statement, for a caller whom the
connection has had before (`postgresql_assertion`); the rollback, the question who it is that comes back, and all that
takes the session back are one round trip as well (`postgresql_role`). SQLAlchemy's Connection leaves its last rollback
to that. So a request makes three round trips, as many as the peer's (begin, statement, end), which is what counts where
the database is far, or has a core of its own.

On one core the work counts, ours and the server's. By libpq alone, without any Python, a begin, a statement and a
rollback take 34 us there, with the switch and the session's reset as well 57. The peer takes 80 in all, so that it has
46 above libpq, which are psycopg's, and ours as well: 103 are gone before the first line of ours, and 112 is what 1.4
allows. Nor may the driver prepare statements, which the reset would drop. A login costs little beside a request that
has to wake another core three times, and much beside one that hasn't: so no way of pinning suits all of the goals, and
both are shown. It also depends on the server: PostgreSQL 15 takes longer over a login than 18, and less over a request
(`CONNECTOR_BENCH_POSTGRESQL=/usr/lib/postgresql/15` measures on that one).

Tried, and not kept: sending `DISCARD ALL` on return and reading its answer before the next use (the next one waits
for it where the pool is busy, and hears of its failure); the same in libpq's pipeline mode with the next switch behind
it (twice the work); `DISCARD ALL` in a round trip of its own, in place of the ten statements that it consists of (6 us
less on one core, 60 more with a core each). Not done: beginning the transaction when the connection is lent, since
`now()` would be that of the checkout, an unused connection would be idle in transaction, and the driver's
`transaction()` would nest.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack, closing
from contextvars import copy_context
from itertools import cycle
from typing import Any

from benchmarks.harness import Measure, Result, compare, seconds_each
from benchmarks.lease import ALIAS
from benchmarks.pinning import pinned_to_cores, throw_away_postgresql

PASSWORD = "bench"
CALLERS = ("alice", "bob", "carol", "dave")
# The wheel's server is set to fewer iterations; PostgreSQL 15 has no such setting, and this number.
SCHEMA = f"""
SELECT set_config('scram_iterations', '4096', false) WHERE current_setting('scram_iterations', true) IS NOT NULL;
CREATE ROLE ledger_pool LOGIN NOINHERIT PASSWORD '{PASSWORD}';
CREATE ROLE plain LOGIN PASSWORD '{PASSWORD}';
""" + "".join(f"CREATE ROLE {caller}; GRANT {caller} TO ledger_pool;" for caller in CALLERS)

Request = Callable[[], object]


def run(*, quick: bool) -> list[Result]:
    """Measure, client and server on one core and on one each. Raises RuntimeError where no PostgreSQL can be had."""
    return [*_run(quick=quick, together=True), *_run(quick=quick, together=False)]


def _run(*, quick: bool, together: bool) -> list[Result]:
    count, rounds = (100, 5) if quick else (400, 21)
    logins = 10 if quick else 20
    cores = "one core" if together else "a core each"
    with ExitStack() as stack:
        server = stack.enter_context(throw_away_postgresql())
        server.run_sql(SCHEMA)
        address = f"{server.host}:{server.port}/postgres"
        pinned = stack.enter_context(pinned_to_cores(server, together=together))
        connections = _trusted_connections(stack, address)
        plain, logging_in = _plain_engines(stack, address)
        pool, connect, version = _psycopg(stack, address)

        def orm(engine: Any) -> Request:
            return lambda: _through_sqlalchemy(engine)

        def raw() -> None:
            with closing(connections.engine.raw_connection()) as connection:
                _fetch_one(connection)

        def against(name: str, peer: str, ours: Request, theirs: Request, goal: float, times: int = count) -> Result:
            mine = _measure(ours, count)
            note = f"four callers in turn on one connection; PostgreSQL {version}; {pinned}"
            other = _measure(theirs, times)
            title = f"trusted, {name}, {cores}"
            return compare(title, peer, mine, other, goal=goal, unit="us", rounds=rounds, note=note)

        through_engine = orm(connections.engine)
        return [
            against("sqlalchemy", "one identity", through_engine, orm(plain), 1.6),
            against("raw", "psycopg_pool, one identity", raw, pool, 1.4),
            against("sqlalchemy", "a login each", through_engine, orm(logging_in), 1 / 15, logins),
            against("raw", "a login each", raw, connect, 1 / 30, logins),
        ]


def _measure(request: Request, count: int) -> Measure:
    """Microseconds a request, each as the next caller; on both sides, though the peers don't ask who it is."""
    from connector.security.scope import open_scope
    from connector.spi import Subject

    contexts = []
    for caller in CALLERS:
        context = copy_context()
        scope = open_scope(Subject.of_user(caller, "bench"), realm="bench", container="bench", origin="the benchmark")
        context.run(scope.__enter__)
        contexts.append(context)
    turns = cycle(contexts)
    return lambda: seconds_each(lambda: next(turns).run(request), count) * 1e6


def _through_sqlalchemy(engine: Any) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1").scalar_one()


def _fetch_one(connection: Any) -> None:
    cursor = connection.cursor()
    cursor.execute("SELECT 1")
    cursor.fetchone()
    cursor.close()


def _trusted_connections(stack: ExitStack, address: str) -> Any:
    from connector.outbound.manager import ReferenceConnectionManager
    from connector.pool import ManagedConnectionPool, PoolSettings
    from connector.security.audit import MemoryAuditLog
    from connector.security.login_configuration import ChainEntry, LoginConfiguration
    from connector.signon.reference import ResAuth, ResourceReference, SignOnTarget
    from connector.signon.resolver import SignOnResolver
    from connector.spi import Capability, ControlFlag
    from connector_sql.factory import SqlManagedConnectionFactory
    from connector_sql.settings import read_settings
    from connector_trusted import TrustedConnectionMappingModule

    able = frozenset({Capability.IDENTITY_SWITCH, Capability.VALIDATION})
    factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", {"url": f"postgresql+psycopg://{address}"}))
    pool = ManagedConnectionPool("jdbc/ledger", factory, PoolSettings(max_size=1), capabilities=able)
    stack.callback(pool.close)
    data = _TrustedUser()
    entry = ChainEntry("trusted", TrustedConnectionMappingModule, ControlFlag.REQUIRED)
    manager = ReferenceConnectionManager(
        ResourceReference("jdbc/ledger", "jdbc/ledger", ResAuth.CONTAINER, login="trusted", alias=ALIAS),
        SignOnTarget("jdbc/ledger", factory, capabilities=able),
        SignOnResolver(data, {"trusted": LoginConfiguration("trusted", (entry,))}, MemoryAuditLog()),
        pool,
        data,
    )
    return factory.create_connection_factory(manager)


class _TrustedUser:
    """Authentication data with the trusted user."""

    generation = 1

    def get(self, alias: str) -> Any:
        """The trusted user, whatever the alias."""
        from connector.spi import AuthenticationData, Secret

        return AuthenticationData(alias, "ledger_pool", Secret(PASSWORD))


def _plain_engines(stack: ExitStack, address: str) -> tuple[Any, Any]:
    """One with a pool, one that logs in for each request."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import NullPool, QueuePool

    url = f"postgresql+psycopg://plain:{PASSWORD}@{address}"
    engine = create_engine(url, poolclass=QueuePool, pool_size=1)
    stack.callback(engine.dispose)
    return engine, create_engine(url, poolclass=NullPool)


def _psycopg(stack: ExitStack, address: str) -> tuple[Request, Request, str]:
    """A request through psycopg_pool, and one with a login of its own; and the server's version."""
    import psycopg
    from psycopg_pool import ConnectionPool

    url = f"postgresql://plain:{PASSWORD}@{address}"
    pool: Any = stack.enter_context(ConnectionPool(url, min_size=1, max_size=1, open=True))
    pool.wait()

    def pooled() -> None:
        with pool.connection() as connection:
            _fetch_one(connection)

    def logging_in() -> None:
        with psycopg.connect(url) as connection:
            _fetch_one(connection)

    with pool.connection() as connection:
        version = connection.info.parameter_status("server_version").split()[0]
    return pooled, logging_in, version
