"""Oracle: a session of the caller's own, opened through a proxy user (TRUST-2). Not run against a server; see docs.

Theory of operation
-------------------
Oracle decides at sign-on whom a session works for: the trusted user signs on as `trusted[caller]` with its own
password, and the session is the caller's, with the caller's privileges and no others. python-oracledb has no way to
pass an open session on to another user. So a caller that is not the one before costs a sign-on, and gets a session that
nobody has used; the same caller finds the session again, rolled back, its package state forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final, final

from connector.errors import AccessDenied, ConnectionFailed
from connector_sql.caller_assertion import CallerAssertion
from connector_sql.caller_strategy import CALLER_REFUSED, PLAIN_NAME, TrustedSession

_ADVICE = (
    "Let the user be reached through the trusted user: ALTER USER … GRANT CONNECT THROUGH …; both need CREATE SESSION."
)
_WHO = "SELECT SYS_CONTEXT('USERENV', 'SESSION_USER'), SYS_CONTEXT('USERENV', 'PROXY_USER') FROM DUAL"
_FORGET = "BEGIN DBMS_SESSION.MODIFY_PACKAGE_STATE(DBMS_SESSION.FREE_ALL_RESOURCES); END;"
#: How Oracle says that the trusted user may not stand for that one: not granted, no such session, locked, unknown.
_REFUSALS: Final = ("ORA-28150", "ORA-01045", "ORA-28000", "ORA-01017", "ORA-01031")


@final
class OracleProxy(CallerAssertion):
    """See `CallerAssertion`: for a connection of `oracledb`.

    Args:
        session: The connection of the trusted user, who is the proxy.
    """

    def __init__(self, session: TrustedSession) -> None:
        super().__init__(session.physical, session.settings)
        self._session = session
        # The mutable state, beside `user`, who is at work: whose session it is (None: the proxy's own).
        self._owner: str | None = None

    def use_as_login(self) -> None:
        """See `CallerAssertion`: a caller's session is left for one of its own. Blocks for connecting then."""
        if self._owner is not None:
            self._owner = None
            self._session.open_another(self._session.login())

    def become(self, user: str) -> None:
        """See `CallerAssertion`. Blocks for a round trip, for connecting where the caller isn't the one before."""
        session = self._session
        try:
            if self._owner != user:
                self._open_for(user)
            row = session.ask(_WHO)
            session.end_transaction()
            # Names without quotes are in capitals.
            session.require(row[0] if row else None, user.upper(), user)
            session.require(row[1], session.login().user.upper(), user)
        except Exception as error:
            raise session.refusal(error, user, _ADVICE) from error
        self.user = user

    def release(self) -> None:
        """See `CallerAssertion`: the session stays its owner's, and works for nobody until that one comes again.

        Blocks for two round trips.
        """
        session, user = self._session, self.user or ""
        try:
            session.end_transaction()
            cursor = session.connection.cursor()
            try:
                cursor.execute(_FORGET)
            finally:
                cursor.close()
        except Exception as error:
            raise session.refusal(error, user, _ADVICE) from error
        self.user = None
        session.taken_back()

    def _open_for(self, user: str) -> None:
        session = self._session
        login = session.login()
        refused = {"login": login.user, "user": user, "advice": _ADVICE}
        # The name becomes a part of `trusted[name]`: a bracket in it would make another one of it.
        if not user or not PLAIN_NAME.issuperset(user):
            raise AccessDenied(CALLER_REFUSED, resource=session.resource, why="it is no plain name", **refused)
        self._owner = None
        try:
            session.open_another(replace(login, user=f"{login.user}[{user}]"))
        except ConnectionFailed as error:
            if any(code in error.text for code in _REFUSALS):
                raise AccessDenied(CALLER_REFUSED, resource=session.resource, why=error.text, **refused) from error
            raise
        self._owner = user
