"""One SQL reference over the real pool, signed on by the real resolver through a login configuration."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from sqlalchemy import text
from support_signon import REALM, AuthData, container_managed, resolver
from support_sql import RESOURCE, Reference

from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.security.login_configuration import LoginConfiguration
from connector.signon.reference import SignOnTarget
from connector.spi import BASIC_PASSWORD, KERBV5, PLATFORM, Clock, ConnectionRequestInfo, SignOnPlan, Subject
from connector_sql.connection_factory import SqlConnectionFactory

#: Who works, and by whose ticket the server let in.
WHO = text("SELECT session_user::text, (SELECT principal FROM pg_stat_gssapi WHERE pid = pg_backend_pid())")


def called(name: str, *brought: object) -> Subject:
    """A caller with private credentials."""
    return Subject.of_user(name, REALM, credentials=brought)


class MappedReference(Reference):
    """Who is asked for is `subject`; how that becomes a credential is the login configuration's matter."""

    def __init__(
        self,
        url: str,
        login: LoginConfiguration,
        *,
        clock: Clock | None = None,
        properties: Mapping[str, Any] | None = None,
        alias: str | None = None,
        mechanisms: frozenset[str] = frozenset({BASIC_PASSWORD, KERBV5, PLATFORM}),
        **mapping_properties: str,
    ) -> None:
        super().__init__({"url": url, **(properties or {})})
        if clock is not None:
            self.pool.close()
            self.pool = ManagedConnectionPool(
                RESOURCE, self.factory, PoolSettings(max_size=3, connection_timeout=0.0), clock=clock
            )
        self.subject: Subject | None = None
        self.login = login
        self._resolver = resolver(AuthData(), login)
        self._named = container_managed(login.name, alias=alias, **mapping_properties)  # type: ignore[arg-type]  # texts only
        self._target = SignOnTarget(RESOURCE, self.factory, mechanisms=mechanisms)

    @contextmanager
    def asked_by(self, subject: Subject | None) -> Iterator[SqlConnectionFactory]:
        """The connection factory, while somebody is the caller."""
        before, self.subject = self.subject, subject
        try:
            yield self.connections
        finally:
            self.subject = before

    def current_plan(self, request: ConnectionRequestInfo | None = None) -> SignOnPlan:
        return self._resolver.resolve(self._named, self._target, request, self.subject)
