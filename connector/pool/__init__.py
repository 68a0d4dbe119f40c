"""Managed-connection pools: decisions are pure, I/O happens outside the lock.

`state` and `waiting` decide, `pool` carries it out for threads and `async_pool` for the tasks of one event loop;
`lease` and `async_lease` are what a borrower holds (POOL-1, POOL-3, POOL-7).
"""

from connector.pool.lease import PooledLease
from connector.pool.pool import ManagedConnectionPool
from connector.pool.settings import PoolSettings
from connector.pool.statistics import PooledConnection, PoolStatistics

__all__ = ["ManagedConnectionPool", "PoolSettings", "PoolStatistics", "PooledConnection", "PooledLease"]
