"""Another user on one MariaDB or MySQL connection: `change_user`, and what it leaves of the user before (POOL-5).

Theory of operation
-------------------
The server authenticates the new user as at a connect, by password, and forgets the session: open transaction, user
variables, temporary tables, settings, prepared statements, locks. What it does *not* forget was found by trying
(MariaDB 10.11), and is taken back here:

* **the active role**: after alice's SET ROLE the next user works with that role's privileges as well, granted or not.
  So the role is given up first, which needs no privilege and can't be refused;
* **the profiles of statements** (SHOW PROFILES), literals included: their history is cut to nothing first;
* the client's side: autocommit, character set and SQL mode are the server's defaults afterwards, while converters and
  cursor class of the driver stay as the application left them.

A refused change leaves the connection signed on as the user *before*, and alive. Whoever calls must end it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, Final, final

from connector.spi import Secret

_UNKNOWN_VARIABLE: Final = 1193


@final
class MySqlSession:
    """The session on one mysqlclient connection. Not safe for several threads.

    Args:
        connection: The driver's connection as the driver connected it: what each new session is made to be like.
        arguments: What the driver was told when it connected, user and password apart.

    Its methods block for round trips and raise what the driver raises.
    """

    def __init__(self, connection: Any, arguments: Mapping[str, Any]) -> None:
        self._connection = connection
        self._database = str(arguments.get("db") or arguments.get("database") or "")
        self._collation = str(arguments.get("collation") or "")
        self._sql_mode = str(arguments.get("sql_mode") or "")
        self._init_command = str(arguments.get("init_command") or "")
        self._charset = connection.character_set_name()
        self._autocommit = connection.get_autocommit()
        # The driver's settings, and whatever an application hangs on a Python object, are attributes of it.
        self._attributes = dict(vars(connection))
        self._encoders = dict(connection.encoders)
        self._converter = dict(connection.converter)

    def change_user(self, user: str, password: Secret, *, has_roles: bool) -> None:
        """Sign on anew, as another user or the same, with nothing left of the session: some ten short round trips.

        Args:
            user: Who.
            password: The plain text stands in no variable of ours.
            has_roles: Whether the server keeps the active role, which MariaDB does.
        """
        with self._tolerating(_UNKNOWN_VARIABLE):  # a server that was built without profiles
            # The end of a profiled statement cuts the history: that of the second one, which also ends the profiling.
            self._run("SET SESSION profiling_history_size = 0, SESSION profiling = 1")
            self._run("SET SESSION profiling = 0")
        if has_roles:
            self._run("SET ROLE NONE")
        self._connection.change_user(user, password.reveal(), self._database)
        self._restore()
        self._connection.user = user  # what instrumentation reads

    def current_user(self) -> Any:
        """Whom the server takes the session for, as it says it: one round trip."""
        rows = self._run("SELECT current_user()").fetch_row()
        return rows[0][0] if rows else ""

    def _restore(self) -> None:
        """The driver's own state, then in the driver's order what it tells the server when it connects."""
        connection = self._connection
        attributes = vars(connection)
        attributes.clear()
        attributes.update(self._attributes)
        connection.encoders, connection.converter, connection.messages = dict(self._encoders), dict(self._converter), []
        if self._init_command:
            self._run(self._init_command)
        connection.set_character_set(self._charset, self._collation)
        if self._sql_mode:
            connection.set_sql_mode(self._sql_mode)
        connection.autocommit(self._autocommit)

    def _run(self, statement: str) -> Any:
        """One statement past the cursors, which may be a class of the application's; answers the driver's result."""
        self._connection.query(statement.encode())
        return self._connection.store_result()

    @contextlib.contextmanager
    def _tolerating(self, number: int) -> Iterator[None]:
        try:
            yield
        except self._connection.Error as error:
            if not error.args or error.args[0] != number:
                raise
