"""One ORM Session, one caller: what was loaded as alice is never flushed, or seen, as bob.

Each transaction of a Session checks a connection out anew, as whoever is the caller then, while its identity map keeps
the objects of the transactions before. So a Session remembers, for each Engine of ours, who it began as, and a
transaction that would begin as somebody else is refused before any SQL is sent. It holds until the Session is thrown
away; make a new one for each caller.

The ORM takes time to load, so it is only looked for: a Session can't exist before the application has loaded it.
"""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import event

from connector.errors import IdentityMismatch, Reason
from connector_sql.leased_connection import LeasedConnection

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

CALLER_CHANGED = Reason(
    "CF-SQL-042",
    "a Session on reference {reference} began as {first} and would go on as {now}.",
    "Use one Session for one caller: close it and make a new one.",
)

#: The module that Sessions come from; where it isn't loaded there are none.
_ORM: Final = "sqlalchemy.orm.session"
#: The key in `Session.info`: for each facade the plan that the Session began by.
_BEGUN_AS: Final = "connector_sql.begun_as"

# Mutable state: whether the ORM is being listened to; changes once, under the lock.
_lock = threading.Lock()
_watching = False


def watch_sessions() -> None:
    """Listen to all Sessions as soon as the application has loaded SQLAlchemy's ORM. Cheap, does not block."""
    global _watching
    # Both are asked at each checkout; a look into the modules is all that it costs those without the ORM.
    if _watching or _ORM not in sys.modules:
        return
    session_module: Any = sys.modules.get(_ORM)
    session_class = getattr(session_module, "Session", None)  # None while another thread is still loading it
    if session_class is None:
        return
    with _lock:
        if not _watching:
            event.listen(session_class, "after_begin", _check_caller)
            _watching = True


def _check_caller(session: Any, _transaction: Any, connection: Connection) -> None:
    """`after_begin`: a Session has got a connection for a new transaction and has sent nothing on it yet."""
    leased = connection.connection
    if not isinstance(leased, LeasedConnection):
        return
    begun_as = session.info.setdefault(_BEGUN_AS, {})
    first = begun_as.setdefault(connection.engine.pool, leased.plan)
    if first.sharing_key != leased.plan.sharing_key:
        raise IdentityMismatch(
            CALLER_CHANGED,
            reference=leased.plan.reference,
            first=first.effective_user,
            now=leased.plan.effective_user,
        )
