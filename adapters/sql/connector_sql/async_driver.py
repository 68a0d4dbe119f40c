"""SQLAlchemy's side for asyncio: which driver goes with a resource's URL, loaded when it is first asked for."""

from __future__ import annotations

from sqlalchemy.engine import URL, Engine

from connector.errors import ConfigError, Reason
from connector_sql.settings import DRIVERS

NO_ASYNC_DRIVER = Reason(
    "CF-SQL-050",
    "resource {resource} has no connections for asyncio: {driver} is a driver for threads.",
    "Use a postgresql+psycopg:// or sqlite:// url, or get the connection on another thread (asyncio.to_thread).",
)
ASYNC_DRIVER_MISSING = Reason(
    "CF-SQL-051",
    "resource {resource} can't serve asyncio: {why}.",
    "Install what is missing with: pip install 'connector-framework[async]'.",
)


def async_template(resource: str, url: URL) -> Engine:
    """An Engine made for the URL and dialect of the asyncio driver only; nobody connects through it.

    Args:
        resource: The resource's global name, for errors.
        url: The resource's URL, with the driver for threads.

    Loads the driver, does not connect. Raises ConfigError.
    """
    database = url.get_backend_name()
    driver = url.get_driver_name()
    for_thread, for_loop = DRIVERS.get(database, ("", ""))
    if driver != for_thread:
        raise ConfigError(NO_ASYNC_DRIVER, resource=resource, driver=f"{database}+{driver}")
    try:
        # Both need the package greenlet, which SQLAlchemy itself doesn't ask for.
        import greenlet  # type: ignore[import-untyped]  # noqa: F401
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.pool import NullPool

        return create_async_engine(url.set(drivername=f"{database}+{for_loop}"), poolclass=NullPool).sync_engine
    except ImportError as error:
        raise ConfigError(ASYNC_DRIVER_MISSING, resource=resource, why=error) from error
