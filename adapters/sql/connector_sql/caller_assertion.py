"""Who is at work on one physical connection: callers asserted on it, one after the other (TRUST-1 to TRUST-4).

Theory of operation
-------------------
A managed connection speaks of connections: lease, cursors, record, branch, end. Who works on it, and how that is taken
back, is for its `CallerAssertion`; the class itself is that of a resource that asserts nobody::

                   become(alice)            release()
    login's own --------------------> alice -----------> login's own, nothing of alice's left
        |  use_as_login(), then the lease, its rollback, used_as_login()
        +------------------------------------------------------------------> the same, or reset where that is wanted

==================== ================ ==================== ================== ======================================
                     nobody           PostgreSQL           MariaDB, MySQL     Db2, Oracle, SQL Server
                                      `postgresql_callers` `mariadb_callers`  `caller_strategy`
==================== ================ ==================== ================== ======================================
use_as_login         -                -                    -                  another session, after a caller's
become               refused          SET ROLE, checked    SET ROLE, checked  each its own way, checked
… after a login's    -                session reset first  signed on anew     another session, by the strategy
rollback             the driver's     looks for an escape  the driver's       the driver's
release              -                reset, checked       checked, signed on each its own way, checked
                                                           anew
used_as_login        -                noted, or reset      noted, or signed   -
                                                           on anew
==================== ================ ==================== ================== ======================================

Data goes one way: an assertion tells the `PhysicalSession` of each session that has begun anew, and of a broken wire;
the managed connection reads it there. Nothing here knows the managed connection.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from connector.errors import ConfigError, Reason
from connector.spi import AuditLog
from connector_sql.opening import Opening
from connector_sql.physical_session import PhysicalSession
from connector_sql.settings import SqlSettings
from connector_sql.sign_on import SqlCredential

if TYPE_CHECKING:
    from connector_sql.user_change import UserChange

CANNOT_ASSERT = Reason(
    "CF-SQL-020",
    "resource {resource} is to assert {role!r}, and its database or its property identity doesn't allow that.",
    'Use PostgreSQL with the driver psycopg, or MariaDB with mysqldb, and identity = "set-role"; or another login'
    " configuration.",
)


class CallerAssertion:
    """Asserts callers on one connection; this one nobody. For whoever has the connection, one at a time.

    Args:
        physical: The connection, just signed on.
        settings: The resource.

    Attributes:
        user: Who is asserted; None on a session that is the login's, or nobody's. Not to be set from outside.
        release_rolls_back: Whether `release` begins with what `rollback` does, in the same round trip.
    """

    release_rolls_back: ClassVar[bool] = False
    user: str | None = None

    def __init__(self, physical: PhysicalSession, settings: SqlSettings) -> None:
        self._physical = physical
        self._settings = settings

    def begun(self) -> None:
        """The first session has begun, and nobody has used it. Does not block."""

    def use_as_login(self) -> None:
        """The login itself is about to work, with nothing of a caller's; asked only while `user` is None.

        Blocks for connecting at most. Raises ConnectionFailed; end the connection then.
        """

    def become(self, user: str) -> None:
        """Assert a caller, verified, outside a transaction. Blocks for round trips, perhaps for connecting.

        Raises AccessDenied, IdentityMismatch, ConnectionFailed, ConfigError: end the connection then.
        """
        raise self._cannot(user)

    def rollback(self) -> None:
        """Roll back, for the application. Blocks for a round trip; raises what the driver raises."""
        self._physical.dbapi_connection.rollback()

    def release(self) -> None:
        """Take the identity, and what its session held, back from `user`, verified. Blocks for round trips.

        Raises as `become`, and what the driver raises: end the connection then.
        """

    def used_as_login(self) -> None:
        """The session comes back, rolled back, from the login's own use: the next caller gets none of it.

        Blocks for round trips where the resource resets what comes back. Raises as `release`.
        """

    def signed_on_anew(self, credential: SqlCredential | None) -> None:
        """The connection was signed on with another credential. Blocks for a round trip at most; raises as `become`."""

    def acting_user(self) -> str | None:
        """Who is at work, by the database; None where its usual question tells. Blocks for a round trip at most."""
        return None

    def _cannot(self, user: str) -> ConfigError:
        return ConfigError(CANNOT_ASSERT, resource=self._settings.resource, role=user)


def caller_assertion(
    physical: PhysicalSession,
    settings: SqlSettings,
    opening: Opening,
    credential: SqlCredential | None,
    user_change: UserChange | None,
    audit: AuditLog | None,
) -> CallerAssertion:
    """The way in which a connection just opened asserts callers. Does not block.

    Args:
        physical: The connection.
        settings: The resource.
        opening: How it was opened.
        credential: With what.
        user_change: What it is signed on anew by, where it can be.
        audit: Where an escaped identity is reported.
    """
    # Each is imported where it is needed: for the connections of its database only, whose driver it loads.
    if settings.strategy is not None:
        from connector_sql.caller_strategy import strategy_for

        return strategy_for(physical, settings, opening, credential)
    if not (settings.asserts_roles or settings.discards):
        return CallerAssertion(physical, settings)
    if user_change is not None:
        from connector_sql.mariadb_callers import MariaDbCallers

        return MariaDbCallers(physical, settings, opening, credential, user_change, audit)
    from connector_sql.postgresql_callers import PostgresqlCallers

    return PostgresqlCallers(physical, settings, opening.user(credential), audit)
