"""What a caller's SQL may try on MariaDB before another user is signed on: nothing of it reaches that one."""

from __future__ import annotations

from contextlib import suppress

import pytest
from support_attacks import ON_MARIADB
from support_secrets import MARKER
from support_sql import MariaDatabase

from connector import Secret
from connector.spi import PasswordCredential, Subject
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.managed_connection import SqlManagedConnection
from connector_sql.settings import read_settings

pytestmark = pytest.mark.mariadb

LEFT = """SELECT CONCAT_WS(',', current_user(), current_role(), @caller, @@max_statement_time, IS_USED_LOCK('gossip'),
    (SELECT COUNT(*) FROM entries WHERE what = 'FAKE'))"""


def send(connection: SqlManagedConnection, statement: str) -> object:
    cursor = connection.dbapi_connection.cursor()
    try:
        cursor.execute(statement)
        row = cursor.fetchone() if cursor.description else None
        value = row[0] if row else None
        return value.decode() if isinstance(value, bytes) else value
    finally:
        cursor.close()


@pytest.mark.parametrize("statements", ON_MARIADB.values(), ids=ON_MARIADB.keys())
def test_an_attack_leaves_the_next_user_alone(maria: MariaDatabase, statements: tuple[str, ...]) -> None:
    factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", {"url": maria.url}))

    def subject(user: str) -> Subject:
        credential = PasswordCredential(user, Secret(f"{MARKER}-{user}"), factory)
        return Subject(credentials=[credential], read_only=True)

    connection = factory.create_managed_connection(subject("alice"), None)
    try:
        errors = factory.settings.dialect.loaded_dbapi.Error
        with suppress(errors):
            for statement in statements:
                send(connection, statement)
        assert str(send(connection, "SELECT current_user()")) == "alice@127.0.0.1"
        connection.cleanup()
        connection.reauthenticate(subject("bob"), None)
        assert send(connection, LEFT) == "bob@127.0.0.1,0.000000,0"
        with pytest.raises(errors):
            send(connection, "EXECUTE planted")
    finally:
        connection.destroy()
        maria.run_sql("DROP FUNCTION IF EXISTS ledger.escape")
