"""What `connector init` writes: a profile that is secure by default, or open on request (CONF-5)."""

from __future__ import annotations

import json
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

from connector.errors import ConfigError, Reason
from connector.security.file_registry import FileUserRegistry
from connector.security.tls.generated import generate_key_store, own_hosts
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key
from connector.spi import Secret

NAME_UNFIT = Reason(
    "CF-ADM-060",
    "{what} {name!r} is unfit: letters, digits, `-` and `_`, beginning with a letter, at most 64.",
    "Choose another name, with {option}.",
)

CONFIGURATION = "connector.toml"
USERS = "users.toml"
KEY = "vault.key"
VAULT = "auth-data.vault"
STATE = "state"
KEYS = "keys"
OWN_KEY = "node.pem"
TRUST = "trust.pem"

_FIT = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")


@final
@dataclass(frozen=True, slots=True)
class NewProfile:
    """What is to be made.

    Attributes:
        name: The container's name, which becomes the name of its realm and its bus as well.
        admin_user: The administrator, or None for an open profile without one.
        admin_password: The administrator's password, or None with no administrator.
        security: Whether it is secure; False is `--insecure`.
    """

    name: str
    admin_user: str | None
    admin_password: Secret | None
    security: bool

    @property
    def applications(self) -> str:
        """The built-in alias and user of applications: in the bus connector role."""
        return f"{self.name}-applications"

    @property
    def engines(self) -> str:
        """The built-in alias and user of messaging engines: never in the bus connector role."""
        return f"{self.name}-engines"

    def write(self, folder: Path) -> None:
        """Write everything into an empty folder of mode 0700; files are of mode 0600.

        Blocks for disk and password hashing. Raises ConfigError for unfit names, and what registry and vault have
        against the users and passwords.
        """
        (folder / STATE).mkdir(mode=0o700)
        self._write_users(folder)
        write_keys(folder / KEYS, self.name)
        write_configuration(folder, configuration_text(self))
        for lock in folder.glob("*.lock"):
            lock.unlink()  # of the writers above: nobody else has been here

    def _write_users(self, folder: Path) -> None:
        registry = FileUserRegistry(self.name, folder / USERS)
        if self.admin_user is not None and self.admin_password is not None:
            registry.add_user(self.admin_user, self.admin_password)
        vault = FileVault(folder / VAULT, generate_key(folder / KEY))
        for alias, description in (
            (self.applications, "built in: applications sign on to the bus with it"),
            (self.engines, "built in: messaging engines authenticate to each other with it"),
        ):
            # Generated, kept nowhere else and shown to nobody: only the vault knows it (CONF-5).
            password = Secret(secrets.token_urlsafe(32))
            registry.add_user(alias, password)
            vault.put(alias, alias, password, description)


def write_keys(folder: Path, name: str) -> None:
    """Make a folder with a key and certificate that no other profile has, and an empty trust store (CONF-5)."""
    folder.mkdir(mode=0o700)
    own = generate_key_store(name, datetime.now(UTC), hosts=own_hosts())
    for file, content in ((OWN_KEY, own.pem()), (TRUST, b"")):
        (folder / file).touch(mode=0o600)
        (folder / file).write_bytes(content)


def write_configuration(folder: Path, text: str) -> None:
    """Write a new profile's configuration, of mode 0600."""
    (folder / CONFIGURATION).touch(mode=0o600)
    (folder / CONFIGURATION).write_text(text, encoding="utf-8")


def check_name(what: str, name: str, option: str) -> str:
    """A container or user name, if it is fit. Raises ConfigError (CF-ADM-060). Pure."""
    if _FIT.fullmatch(name) is None:
        raise ConfigError(NAME_UNFIT, what=what, name=name[:80], option=option)
    return name


def configuration_text(profile: NewProfile) -> str:
    """The text of `connector.toml`, with comments for people. Pure; the names have been checked."""
    name, quoted = profile.name, json.dumps(profile.name)
    on = "true" if profile.security else "false"
    if profile.security:
        switch = "# administrative security: commands need a login with an admin role"
    else:
        switch = "# OPEN: no logins, no role checks. Set true to close it"
    administrator = "" if profile.admin_user is None else json.dumps(f"user:{profile.admin_user}")
    return f"""\
# The container {name}. `connector check` checks this file, `connector run` starts the container.

[container]
name = {quoted}
security = {on:<28}{switch}
# application_security                # role checks on message-driven handlers: as `security`, unless set
realm = {quoted}
state = "{STATE}"                        # what the container keeps, its log and its admin socket

[realms.{name}]
registry = "file"
path = "{USERS}"                    # `connector users` changes it; passwords are hashed

[auth_data]
store = "file"
path = "{VAULT}"               # `connector auth-data` changes it; passwords are encrypted
key = "file:{KEY}"                 # keep it out of backups that hold the vault

[tls.node-default]                     # `connector signers` lists and changes whom it trusts
key_store = "{KEYS}/{OWN_KEY}"             # made for this profile; replace it by one that an authority has issued
trust_store = "{KEYS}/{TRUST}"
client_authentication = "none"         # "supported", "required"

[admin]                                # monitor, operator, configurator, administrator (has all)
administrator = [{administrator}]

# [naming]                             # look-ups of factories and destinations from outside
# port = 2809                          # with TLS and login where security is on
# tls = "node-default"

[buses.{name}]
security = {on}
[buses.{name}.roles]                   # {profile.engines} is not among them, on purpose
connector = ["user:{profile.applications}", "Server"]

# A queue:
# [buses.{name}.destinations."orders"]
# type = "queue"

[resources."jms/{name}"]               # applications reach the bus through this connection factory
adapter = "bus"
component_alias = "{profile.applications}"
properties = {{ bus = {quoted} }}

# A database; its password goes into an alias: connector auth-data set ledger-batch --user batch
# [resources."jdbc/ledger"]
# adapter = "sql"
# component_alias = "ledger-batch"
# properties = {{ url = "postgresql+psycopg://db.example/ledger" }}

# [applications]
# orders = "orders.toml"               # the application's descriptor: handlers, roles, references
"""
