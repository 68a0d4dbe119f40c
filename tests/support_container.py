"""A small profile to start real containers from: users, a vault, SQLite, a bus, one application."""

from __future__ import annotations

import sqlite3
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from support_secrets import MARKER

from connector import Container, Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key

CONFIGURATION = """
[container]
name = "shop"
security = true
realm = "shop"
state = "state"

[realms.shop]
registry = "file"
path = "users.toml"

[auth_data]
store = "file"
path = "auth-data.vault"
key = "file:vault.key"

[admin]
administrator = ["user:admin"]

[resources."jdbc/orders"]
adapter = "sql"
properties = { url = "sqlite:///FOLDER/orders.db" }
pool = { max_size = 2, connection_timeout = "5s" }

[resources."jms/shop"]
adapter = "bus"
component_alias = "shop-applications"
properties = { bus = "shop" }

[resources."jms/orders-in"]
adapter = "bus"
kind = "activation"
component_alias = "shop-service"
properties = { bus = "shop", destination = "orders" }

[buses.shop]
security = true
identity_assertion = ["user:shop-applications"]
[buses.shop.roles]
connector = ["user:shop-applications", "user:shop-service", "group:clients", "user:admin"]
[buses.shop.destinations.orders]
type = "queue"
roles = { receiver = ["user:shop-service"] }

[applications]
shop = "shop.toml"
"""

DESCRIPTOR = """
[application]
handlers = ["HANDLERS"]
path = ["modules"]

[roles.buyer]
groups = ["buyers"]

[references."jdbc/orders"]
bind = "jdbc/orders"
res_auth = "Container"
on_no_credential = "factory-default"

[references."jms/shop"]
bind = "jms/shop"
res_auth = "Container"
login = "TrustedConnectionMapping"
alias = "shop-applications"

[activations."jms/orders"]
bind = "jms/orders-in"
max_redeliveries = 1
"""

HANDLERS = """
from sqlalchemy import text
from connector import message_driven

@message_driven(activation="jms/orders", roles_allowed={"buyer"}, transacted=True)
def take_order(message, context):
    with context.lookup("jdbc/orders").get_connection() as connection:
        connection.execute(
            text("INSERT INTO orders (caller, item) VALUES (:caller, :item)"),
            {"caller": context.caller_principal.name, "item": message.body["item"]},
        )
        connection.commit()
    return {"taken": message.body["item"]}
"""

USERS = {
    "alice": ["clients", "buyers"],
    "bob": ["clients", "buyers"],
    "carol": ["clients"],
    "admin": [],
    "shop-applications": [],
    "shop-service": [],
}

#: Hashing a password is slow on purpose: it is done once for the whole suite.
_USERS_TOML: str | None = None


class ProfileFolder:
    """A profile in a folder; tests edit its files, then `open` it."""

    def __init__(self, folder: Path, handlers: str = HANDLERS) -> None:
        self.folder = folder
        self.password = Secret(MARKER)
        self.module = f"handlers_{abs(hash(str(folder)))}"
        self.configuration = folder / "connector.toml"
        self.descriptor = folder / "shop.toml"
        self.configuration.write_text(CONFIGURATION.replace("FOLDER", str(folder)))
        self.descriptor.write_text(DESCRIPTOR.replace("HANDLERS", self.module))
        (folder / "modules").mkdir()
        self.handlers(handlers)
        self._users()
        generate_key(folder / "vault.key")
        self.vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
        for alias in ("shop-applications", "shop-service"):
            self.vault.put(alias, alias, self.password)
        with sqlite3.connect(folder / "orders.db") as database:
            database.execute("CREATE TABLE orders (caller text, item text)")
        database.close()

    def _users(self) -> None:
        global _USERS_TOML
        path = self.folder / "users.toml"
        if _USERS_TOML is None:
            registry = FileUserRegistry("shop", path)
            for user, groups in USERS.items():
                registry.add_user(user, self.password, groups)
            _USERS_TOML = path.read_text()
        path.write_text(_USERS_TOML)
        path.chmod(0o600)

    def handlers(self, text: str) -> None:
        """Replace the handler module's text."""
        (self.folder / "modules" / f"{self.module}.py").write_text(text)
        sys.modules.pop(self.module, None)

    def edit(self, old: str, new: str, *, descriptor: bool = False) -> None:
        """Replace a text in the configuration, or in the descriptor."""
        path = self.descriptor if descriptor else self.configuration
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def open(self, **options: object) -> Container:
        """Start it."""
        return Container.open(self.configuration, environ={}, **options)  # type: ignore[arg-type]

    def rows(self) -> list[tuple[str, str]]:
        """What the handler wrote."""
        with sqlite3.connect(self.folder / "orders.db") as database:
            found = database.execute("SELECT caller, item FROM orders ORDER BY rowid").fetchall()
        database.close()
        return found


def request(container: Container, user: str, body: object, password: Secret) -> object:
    """Ask as a user through the application's reference; answers the reply's body."""
    with container.login(user, password):
        with container.application("shop").lookup("jms/shop").get_connection() as bus:
            return bus.request("orders", body, timeout=10.0).body


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait for what nobody tells of: figures are counted after a reply has been sent."""
    pause, end = threading.Event(), time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it has not come about"
        pause.wait(0.01)


ProfileMaker = Callable[..., ProfileFolder]
