"""The first connection, as SQLAlchemy's dialect gets it to ask the server about itself."""

from __future__ import annotations

from typing import Any, final

from sqlalchemy.pool import PoolProxiedConnection

from connector_sql.physical_record import PhysicalRecord


@final
class InitialisingConnection(PoolProxiedConnection):
    """Passes everything on to the driver's connection; closing it rolls back and leaves the connection open.

    It belongs to no pool yet and asks as whoever is signed on.
    """

    __slots__ = ("dbapi_connection", "_connection_record")

    def __init__(self, record: PhysicalRecord) -> None:
        self.dbapi_connection = record.dbapi_connection
        self._connection_record = record

    @property
    def driver_connection(self) -> Any:  # type: ignore[override]  # as SQLAlchemy's own classes do it
        """The driver's own connection."""
        return self._connection_record.driver_connection

    @property
    def info(self) -> dict[Any, Any]:
        """The record's."""
        return self._connection_record.info

    @property
    def is_valid(self) -> bool:
        """Always: there is nothing to invalidate."""
        return True

    def invalidate(self, e: BaseException | None = None, soft: bool = False) -> None:
        """Does nothing: whoever opens the connection closes it on any error."""

    def close(self) -> None:
        """Roll back what the questions have begun."""
        self.rollback()

    def _close_special(self, transaction_reset: bool = False) -> None:
        self.rollback()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.dbapi_connection, name)
