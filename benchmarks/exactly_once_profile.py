"""A container whose handler writes a row into PostgreSQL and sends a message on, for each message that it gets."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from connector import Container
from connector.security.vault_key import generate_key

if TYPE_CHECKING:
    from weather_postgresql import PostgreSQLServer

TABLE = "DROP TABLE IF EXISTS handled; CREATE TABLE handled (number integer NOT NULL)"

_CONFIGURATION = """
[container]
name = "exactly-once"
security = false
state = "state"

[realms.exactly-once]
path = "users.toml"

[auth_data]
path = "auth-data.vault"
key = "file:vault.key"

[buses.shop]
security = false
destinations = {{ orders = {{}}, done = {{}} }}

[resources."jms/shop"]
adapter = "bus"
properties = {{ bus = "shop" }}

[resources."jms/orders"]
adapter = "bus"
kind = "activation"
properties = {{ bus = "shop", destination = "orders" }}

[resources."jdbc/ledger"]
adapter = "sql"
properties = {{ url = "postgresql+psycopg://{host}:{port}/postgres", user = "{user}", password = "file:password" }}
"""
_APPLICATIONS = """
[applications]
shop = "shop.toml"
"""
_DESCRIPTOR = """
[application]
handlers = ["exactly_once_handler"]

[references."jdbc/ledger"]
bind = "jdbc/ledger"
res_auth = "Application"

[references."jms/shop"]
bind = "jms/shop"
res_auth = "Application"

[activations."jms/orders"]
bind = "jms/orders"
concurrency = 4
"""
_HANDLER = """
import os

from connector import message_driven
from sqlalchemy import text


@message_driven(activation="jms/orders", transacted={transacted})
def record(message, context):
    number = message.body["number"]
    with context.lookup("jdbc/ledger").get_connection() as ledger:
        ledger.execute(text("INSERT INTO handled VALUES (:number)"), {{"number": number}})
        ledger.commit()
    with context.lookup("jms/shop").get_connection() as bus:
        bus.send("done", number)
    os.write(1, b"handled\\n")  # in one piece, whichever of the handlers' threads it is
"""


class ExactlyOnceProfile:
    """The files of the container.

    Args:
        folder: An empty folder.
        server: A server that prepares transactions.
        transacted: Whether the handler is.
    """

    def __init__(self, folder: Path, server: PostgreSQLServer, *, transacted: bool) -> None:
        self.folder = folder
        self.server = server
        configuration = _CONFIGURATION.format(host=server.host, port=server.port, user=server.admin_user)
        self.path = folder / "connector.toml"
        self.path.write_text(configuration + _APPLICATIONS)
        #: The same without the application: nothing is delivered.
        self._quiet = folder / "quiet.toml"
        self._quiet.write_text(configuration)
        (folder / "shop.toml").write_text(_DESCRIPTOR)
        (folder / "exactly_once_handler.py").write_text(_HANDLER.format(transacted=transacted))
        (folder / "users.toml").touch(mode=0o600)
        generate_key(folder / "vault.key")
        (folder / "password").write_text(server.admin_password)
        server.run_sql(TABLE)

    def send(self, count: int) -> None:
        """Send the messages, all at once."""
        with self._open() as container, container.lookup("jms/shop").get_connection() as bus, container.transaction():
            for number in range(count):
                bus.send("orders", {"number": number})

    def rows(self) -> list[int]:
        """The number of each row in PostgreSQL."""
        return [int(number) for (number,) in self.server.run_sql("SELECT number FROM handled ORDER BY number")]

    def left(self) -> dict[str, int]:
        """What there should be nothing of once all is done."""
        with self._open() as container:
            unfinished = len(container.transactions.to_list())
            depths = {name: len(_numbers(container, name)) for name in ("orders", "_SYSTEM.Exception.Destination.shop")}
        prepared = len(self.server.run_sql("SELECT gid FROM pg_prepared_xacts"))
        return {**depths, "unfinished units": unfinished, "prepared in PostgreSQL": prepared}

    def done(self) -> list[int]:
        """The number of each message that was sent on."""
        with self._open() as container:
            return sorted(_numbers(container, "done"))

    def _open(self) -> Container:
        return Container.open(self._quiet, environ={})


def _numbers(container: Container, queue: str) -> list[Any]:
    with container.lookup("jms/shop").get_connection() as bus:
        return [message.body for message in bus.browse(queue)]
