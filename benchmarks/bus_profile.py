"""A container with two buses alike, one secured and one not, and an application that signs on to both."""

from __future__ import annotations

from pathlib import Path

from connector import Container, Secret
from connector.security.file_registry import FileUserRegistry
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key

REALM = "bench"
USER = "application"

_CONFIGURATION = """
[container]
name = "bench"
state = "state"

[realms.bench]
path = "users.toml"

[auth_data]
path = "auth-data.vault"
key = "file:vault.key"
"""
_BUS = """
[buses.{name}]
security = {security}
roles = {{ connector = ["user:application"] }}
destinations = {{ orders = {{}} }}

[resources."jms/{name}"]
adapter = "bus"
component_alias = "application"
properties = {{ bus = "{name}" }}
"""


def open_buses(folder: Path) -> Container:
    """Make the profile in an empty folder and start it: factories `jms/secured` and `jms/open`, queue `orders`."""
    configuration = folder / "connector.toml"
    buses = "".join(
        _BUS.format(name=name, security=security) for name, security in (("secured", "true"), ("open", "false"))
    )
    configuration.write_text(_CONFIGURATION + buses, encoding="utf-8")
    password = Secret("only for the measurement")
    FileUserRegistry(REALM, folder / "users.toml").add_user(USER, password, ["applications"])
    generate_key(folder / "vault.key")
    FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}").put(USER, USER, password)
    return Container.open(configuration, environ={})
