"""The resource adapter: one object a container, which makes the factory of each SQL resource."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector.errors import ConfigError, Reason
from connector.spi import AuditLog, BootstrapContext, ManagedConnectionFactory, ResourceAdapter

SQLALCHEMY_MISSING = Reason(
    "CF-SQL-001",
    "resource {resource} needs SQLAlchemy, which is not installed.",
    "Install it with: pip install 'connector-framework[sql]'.",
)


class SqlResourceAdapter(ResourceAdapter):
    """Databases through SQLAlchemy (TRUST on PostgreSQL). It holds the audit log and nothing else."""

    def __init__(self) -> None:
        # Set by `start`, before any factory is made; never changed afterwards.
        self._audit: AuditLog | None = None

    def start(self, context: BootstrapContext) -> None:
        """Keep the audit log: identities that escape are reported there. Does not block."""
        self._audit = context.audit

    def stop(self) -> None:
        """Nothing to let go of: the pools are closed by their owner. Does not block."""

    def create_managed_connection_factory(
        self, resource: str, properties: Mapping[str, Any]
    ) -> ManagedConnectionFactory:
        """Make the factory of one resource; loads SQLAlchemy and the driver, does not connect (CONF-2).

        Raises ConfigError where SQLAlchemy or the driver is not installed, or properties are wrong together.
        """
        try:
            # Here, so that listing the adapter needs no SQLAlchemy (architecture rule 4).
            from connector_sql.factory import SqlManagedConnectionFactory
            from connector_sql.settings import read_settings
        except ModuleNotFoundError as error:
            if error.name is None or error.name.partition(".")[0] != "sqlalchemy":
                raise
            raise ConfigError(SQLALCHEMY_MISSING, resource=resource) from error
        return SqlManagedConnectionFactory(read_settings(resource, properties), self._audit)
