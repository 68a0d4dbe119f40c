"""One SQL reference over the real pool, with the sign-on written out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from support_mariadb import MariaDBServer
from support_secrets import MARKER

from connector import Secret
from connector.pool.loop_pools import LoopPools
from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.spi import (
    AsyncLease,
    AuditEvent,
    Capability,
    ConnectionRequestInfo,
    Explanation,
    IdentityAssertion,
    Lease,
    PasswordCredential,
    SignOnPlan,
    SignOnSource,
    Subject,
)
from connector_sql.connection_factory import SqlConnectionFactory
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.settings import read_settings
from weather_postgresql import PostgreSQLServer

RESOURCE = "jdbc/ledger"


@dataclass(frozen=True, slots=True)
class Database:
    """The server, as tests want it."""

    server: PostgreSQLServer

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{self.server.host}:{self.server.port}/postgres"

    def run_sql(self, sql: str) -> list[tuple[object, ...]]:
        """As the superuser."""
        return self.server.run_sql(sql)

    def end_all_backends(self) -> None:
        """End all other connections to the server, and wait until they are gone."""
        self.server.run_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        )


@dataclass(frozen=True, slots=True)
class MariaDatabase:
    """The MariaDB server, as tests want it."""

    server: MariaDBServer

    @property
    def url(self) -> str:
        return f"mariadb+mysqldb://{self.server.host}:{self.server.port}/ledger"

    def passwords(self, *users: str) -> dict[str, Secret]:
        """Each user's own."""
        return {user: Secret(f"{MARKER}-{user}") for user in users}

    def run_sql(self, sql: str) -> list[tuple[Any, ...]]:
        """As the administrator."""
        return self.server.run_sql(sql)


class AuditMemory:
    """An audit log to look into."""

    def __init__(self) -> None:
        self.events: list[AuditEvent] = []

    def record(self, event: AuditEvent) -> None:
        self.events.append(event)


class Reference:
    """One resource with one reference to it: implements `ConnectionManager` for whoever is `caller`.

    With a trusted user all callers share that user's connections and are asserted on them; else the caller signs on
    with the password in `passwords`; a caller without one has a null subject.
    """

    def __init__(
        self,
        properties: Mapping[str, Any],
        *,
        trusted: tuple[str, Secret] | None = None,
        passwords: Mapping[str, Secret] | None = None,
        max_size: int = 3,
        name: str = "jdbc/log",
        shares: Reference | None = None,
        caller: str = "alice",
    ) -> None:
        self.reference = name
        self.resource = RESOURCE
        self.caller = caller
        self.audit = AuditMemory()
        self._trusted = trusted
        self._passwords = passwords or {}
        if shares is None:
            self.factory = SqlManagedConnectionFactory(read_settings(RESOURCE, properties), self.audit)
            settings = PoolSettings(max_size=max_size, connection_timeout=0.0)
            able = frozenset({Capability.VALIDATION, Capability.IDENTITY_SWITCH, Capability.ASYNC})
            self.pool = ManagedConnectionPool(RESOURCE, self.factory, settings, capabilities=able)
            self.async_pools = LoopPools(RESOURCE, self.factory, settings, capabilities=able)
        else:
            self.factory, self.pool, self.async_pools = shares.factory, shares.pool, shares.async_pools
        self.connections: SqlConnectionFactory = self.factory.create_connection_factory(self)

    @contextmanager
    def called_by(self, caller: str) -> Iterator[SqlConnectionFactory]:
        """The connection factory, while `caller` is the caller."""
        before, self.caller = self.caller, caller
        try:
            yield self.connections
        finally:
            self.caller = before

    def allocate(self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None) -> Lease:
        return self.pool.take(plan or self.current_plan(request))

    async def allocate_async(
        self, request: ConnectionRequestInfo | None = None, *, plan: SignOnPlan | None = None
    ) -> AsyncLease:
        return await self.async_pools.take(plan or self.current_plan(request))

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        credential: PasswordCredential | None = None
        asserted: IdentityAssertion | None = None
        if request is not None and request.user is not None and request.password is not None:
            credential = PasswordCredential(request.user, request.password, self.factory)
        elif self._trusted is not None:
            user, password = self._trusted
            credential = PasswordCredential(user, password, self.factory)
            asserted = IdentityAssertion(self.caller, "test", factory=self.factory) if self.caller else None
        elif self.caller in self._passwords:
            credential = PasswordCredential(self.caller, self._passwords[self.caller], self.factory)
        partition = credential.key() if credential is not None else None
        effective = asserted.key() if asserted is not None else partition
        return SignOnPlan(
            reference=self.reference,
            resource=self.resource,
            source=SignOnSource.LOGIN_CONFIGURATION,
            rejected=(),
            subject=Subject(credentials=[credential], read_only=True) if credential is not None else None,
            asserted=asserted,
            request=request,
            partition=partition,
            sharing_key=(effective, partition),
            version=0,
            user=credential.user if credential is not None else None,
            explanation=Explanation("who", "by hand"),
        )

    def explain(self, request: ConnectionRequestInfo | None = None, *, caller: Any = None) -> Explanation:
        return Explanation(f"sign-on of {self.reference} for {caller}", "by hand")

    @property
    def async_count(self) -> int:
        """How many physical connections the pools for asyncio have."""
        return len(self.async_pools.contents())

    @property
    def physical_count(self) -> int:
        """How many physical connections the pool has."""
        return len(self.pool.contents())

    def close(self) -> None:
        """Close the pools."""
        self.pool.close()
        self.async_pools.close()


MakeReference = Callable[..., Reference]
