"""What the entry point `sql` in `connector.registries` names (FLOW-3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from connector.errors import PluginError, Reason
from connector.spi import PasswordHasher

if TYPE_CHECKING:
    from connector_sqlregistry.registry import SqlUserRegistry

LIBRARY_MISSING = Reason(
    "CF-SQLR-020",
    'registry = "sql" is configured for the realm {realm!r} and SQLAlchemy is not installed.',
    "Install connector-framework[sql], or [postgresql] for PostgreSQL.",
)


@final
class SqlRegistryProvider:
    """Implements :class:`connector.spi.HashingRegistryProvider`. Immutable, safe to use from any thread."""

    def with_passwords(self, realm: str, settings: Mapping[str, Any], passwords: PasswordHasher) -> SqlUserRegistry:
        """Make the registry from the `[realms.NAME]` table; connects to nothing.

        Raises:
            PluginError: The library is not installed (CF-SQLR-020).
            ConfigError: The settings can't be used (CF-SQLR-001 to 004).
        """
        try:
            import sqlalchemy  # noqa: F401 - is it there? What is imported below needs it.
        except ModuleNotFoundError:
            raise PluginError(LIBRARY_MISSING, realm=realm) from None
        from connector_sqlregistry.registry import SqlUserRegistry
        from connector_sqlregistry.settings import read_settings

        return SqlUserRegistry(realm, read_settings(realm, settings), passwords)

    def __repr__(self) -> str:
        return "<SqlRegistryProvider>"
