"""What the entry point `sql` in `connector.stores` names (AUTHD-2)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, final

from connector.errors import PluginError, Reason
from connector.spi import StoreKeySource

if TYPE_CHECKING:
    from connector_sqlstore.store import SqlStore

LIBRARY_MISSING = Reason(
    "CF-SQLS-020",
    'store = "sql" is configured and SQLAlchemy is not installed.',
    "Install connector-framework[sql], or [postgresql] for PostgreSQL.",
)


@final
class SqlStoreProvider:
    """Implements :class:`connector.spi.KeyedStoreProvider`. Immutable, safe to use from any thread."""

    def with_keys(self, settings: Mapping[str, Any], keys: StoreKeySource) -> SqlStore:
        """Make the store from the `[auth_data]` table; connects to nothing.

        Raises:
            PluginError: The library is not installed (CF-SQLS-020).
            ConfigError: The settings can't be used (CF-SQLS-001 to 004).
        """
        try:
            import sqlalchemy  # noqa: F401 - is it there? What is imported below needs it.
        except ModuleNotFoundError:
            raise PluginError(LIBRARY_MISSING) from None
        from connector_sqlstore.settings import read_settings
        from connector_sqlstore.store import SqlStore

        return SqlStore(read_settings(settings), keys)

    def __repr__(self) -> str:
        return "<SqlStoreProvider>"
