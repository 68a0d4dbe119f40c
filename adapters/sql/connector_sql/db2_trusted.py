"""Db2: the user of an explicit trusted connection is switched (TRUST-2). Not run against a server; see docs.

Theory of operation
-------------------
The trusted user asks for a *trusted* connection when it connects (SQL_ATTR_USE_TRUSTED_CONTEXT); the server grants that
if a trusted context of the database allows it, and otherwise gives a regular connection with a warning that the driver
does not show: so it is looked at. Then the user is switched by setting SQL_ATTR_TRUSTED_CONTEXT_USERID, between
transactions. The switch takes effect with the next statement, so one is run, which also says who it is. It is taken
back by a switch to the trusted user itself, with its password in case the context demands it.

Whether a switch leaves temporary tables and special registers of the user before, was not to be found out without a
server. So a session is passed on to nobody else: a caller that is not the one before gets a new connection. Where a
server has shown that they are gone, `begin_for` can go as well, and switching becomes cheap.
"""

from __future__ import annotations

import importlib
from typing import Any, final

from connector.errors import ConfigError, Reason
from connector.spi import PasswordCredential
from connector_sql.caller_assertion import CallerAssertion
from connector_sql.caller_strategy import LOGIN, TrustedSession

NOT_TRUSTED = Reason(
    "CF-SQL-092",
    "the Db2 connection of {login!r} is not a trusted one, so nobody can be asserted on it.",
    "Create a trusted context for that user and this host's address, and enable it; see docs, Identity strategies.",
)
_ADVICE = "Let the trusted context allow that user: ALTER TRUSTED CONTEXT … ADD USE FOR … WITHOUT AUTHENTICATION."
_WHO = "VALUES SESSION_USER"


def driver() -> Any:
    """The module with the driver's constants; loaded already, since `ibm_db_dbi` is built on it."""
    return importlib.import_module("ibm_db")


def connect_arguments() -> dict[str, Any]:
    """What the driver has to be told for a trusted connection."""
    ibm_db = driver()
    return {"conn_options": {ibm_db.SQL_ATTR_USE_TRUSTED_CONTEXT: ibm_db.SQL_TRUE}}


@final
class Db2TrustedContext(CallerAssertion):
    """See `CallerAssertion`: for a connection of `ibm_db_dbi`.

    Args:
        session: The connection of the trusted user.
    """

    def __init__(self, session: TrustedSession) -> None:
        super().__init__(session.physical, session.settings)
        self._session = session
        # The mutable state, beside `user`: whether the connection was seen to be a trusted one.
        self._is_trusted = False

    def use_as_login(self) -> None:
        """See `CallerAssertion`: not in a session that a caller has used. Blocks for connecting then."""
        self._begin_for(LOGIN)

    def become(self, user: str) -> None:
        """See `CallerAssertion`. Blocks for three round trips, also for connecting where another caller was before."""
        session = self._session
        try:
            self._begin_for(user)
            self._require_trusted()
            session.end_transaction()
            self._switch({driver().SQL_ATTR_TRUSTED_CONTEXT_USERID: user}, user)
        except Exception as error:
            raise session.refusal(error, user, _ADVICE) from error
        self.user = user

    def release(self) -> None:
        """See `CallerAssertion`. Blocks for three round trips."""
        session, user = self._session, self.user or ""
        failure = self._switch_back(session.login(), user)
        if failure is not None:
            raise failure
        self.user = None
        session.taken_back()

    def _switch_back(self, login: PasswordCredential, user: str) -> Exception | None:
        """What went wrong is a value, not raised: so no frame that has the password hangs on it."""
        constants = driver()
        try:
            self._session.end_transaction()
            # The driver takes them in this order: first the user, then the password.
            options = {
                constants.SQL_ATTR_TRUSTED_CONTEXT_USERID: login.user,
                constants.SQL_ATTR_TRUSTED_CONTEXT_PASSWORD: login.password.reveal(),
            }
            self._switch(options, login.user)
        except Exception as error:  # noqa: BLE001 - ibm_db raises Exception itself
            return self._session.refusal(error, user, _ADVICE)
        return None

    def _begin_for(self, user: str) -> None:
        before = self._session.connection
        self._session.begin_for(user)
        self._is_trusted = self._is_trusted and self._session.connection is before

    def _switch(self, options: dict[Any, str], user: str) -> None:
        connection: Any = self._session.connection
        connection.set_option(options)
        row = self._session.ask(_WHO)
        self._session.end_transaction()
        # Db2's authorization ids are in capitals, whatever was asked for.
        self._session.require(row[0] if row else None, user.upper(), user)

    def _require_trusted(self) -> None:
        if self._is_trusted:
            return
        connection: Any = self._session.connection
        if not connection.get_option(driver().SQL_ATTR_USE_TRUSTED_CONTEXT):
            raise ConfigError(NOT_TRUSTED, login=self._session.login().user)
        self._is_trusted = True
