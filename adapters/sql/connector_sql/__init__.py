"""The SQL resource adapter: databases through SQLAlchemy, signed on as the caller.

This module loads neither SQLAlchemy nor a driver: a container that lists its adapters pays for neither.
"""

from connector_sql.adapter import SqlResourceAdapter

__all__ = ["SqlResourceAdapter"]
