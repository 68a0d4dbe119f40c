"""SQL Server: EXECUTE AS USER, taken back with a cookie (TRUST-2). Not run against a server; see docs.

Theory of operation
-------------------
The trusted user, who has IMPERSONATE on its callers and no rights of its own, switches the session to a database user.
`WITH COOKIE` gives back a value without which REVERT is refused: the caller's own SQL can't become the trusted user
again, which a plain EXECUTE AS would allow (TRUST-4).

* It must be a batch without parameters: with them the driver wraps it into a procedure, at whose end the server goes
  back to who was there before. So the name is quoted here.
* REVERT takes back the identity, not the session: temporary tables and settings stay, and pyodbc has no documented way
  to reset them. So a session is passed on to nobody else: a caller that is not the one before gets a new connection.
"""

from __future__ import annotations

from typing import final

from connector_sql.caller_assertion import CallerAssertion
from connector_sql.caller_strategy import LOGIN, TrustedSession

_ADVICE = "The user must exist in the database, and the trusted user needs: GRANT IMPERSONATE ON USER::… TO …."


@final
class SqlServerImpersonation(CallerAssertion):
    """See `CallerAssertion`: for a connection of `pyodbc`.

    Args:
        session: The connection of the trusted user.
    """

    def __init__(self, session: TrustedSession) -> None:
        super().__init__(session.physical, session.settings)
        self._session = session
        # The mutable state, beside `user`: what takes that back.
        self._cookie = b""

    def use_as_login(self) -> None:
        """See `CallerAssertion`: not in a session that a caller has used. Blocks for connecting then."""
        self._session.begin_for(LOGIN)

    def become(self, user: str) -> None:
        """See `CallerAssertion`. Blocks for two round trips, also for connecting where another caller was before."""
        session = self._session
        try:
            session.begin_for(user)
            session.end_transaction()
            row = session.ask(execute_as(user))
            session.end_transaction()
            # The server compares names as the database's collation says, and answers in its own spelling.
            session.require(_folded(row[1] if row else None), user.casefold(), user)
        except Exception as error:
            raise session.refusal(error, user, _ADVICE) from error
        self.user = user
        self._cookie = bytes(row[0])

    def release(self) -> None:
        """See `CallerAssertion`. Blocks for two round trips."""
        session, user = self._session, self.user or ""
        try:
            session.end_transaction()
            row = session.ask(revert(self._cookie))
            session.end_transaction()
            session.require(_folded(row[0] if row else None), session.login().user.casefold(), user)
        except Exception as error:
            raise session.refusal(error, user, _ADVICE) from error
        self.user, self._cookie = None, b""
        session.taken_back()


def _folded(name: object) -> str | None:
    return name.casefold() if isinstance(name, str) else None


def execute_as(user: str) -> str:
    """The batch that asserts a user, and answers the cookie and who is at work then. Pure."""
    name = user.replace("'", "''")
    return (
        "SET NOCOUNT ON; DECLARE @cookie varbinary(8000); "
        f"EXECUTE AS USER = N'{name}' WITH COOKIE INTO @cookie; SELECT @cookie, USER_NAME();"
    )


def revert(cookie: bytes) -> str:
    """The batch that takes it back, and answers who is signed on then. Pure."""
    return (
        f"SET NOCOUNT ON; DECLARE @cookie varbinary(8000) = 0x{cookie.hex()}; "
        "REVERT WITH COOKIE = @cookie; SELECT SUSER_SNAME();"
    )
