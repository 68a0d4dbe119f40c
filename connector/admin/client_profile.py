"""What `connector init --client` writes: a profile for commands that use a server elsewhere (CONF-5, CONF-6)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from connector.admin.new_profile import (
    CONFIGURATION,
    KEY,
    KEYS,
    OWN_KEY,
    STATE,
    TRUST,
    USERS,
    VAULT,
    write_configuration,
    write_keys,
)
from connector.security.vault_key import generate_key

#: The alias of the look-ups' login, and of the connections'.
LOOK_UP: Final = "look-up"
CONNECTION: Final = "connection"
#: The usual address of a naming port.
PROVIDER: Final = "localhost:2809"


@final
@dataclass(frozen=True, slots=True)
class ClientProfile:
    """What is to be made.

    Attributes:
        name: The client's name, which its certificate has.
        provider: HOST:PORT of the naming port that it looks names up at.
        security: Whether look-ups and connections go by TLS and with a login; False is `--insecure`.
    """

    name: str
    provider: str
    security: bool

    def write(self, folder: Path) -> None:
        """Write everything into an empty folder of mode 0700; files are of mode 0600. Blocks for the disk.

        There is no password and no signer in it: both are the server's to give.
        """
        (folder / STATE).mkdir(mode=0o700)
        (folder / USERS).touch(mode=0o600)
        write_keys(folder / KEYS, self.name)
        generate_key(folder / KEY)
        write_configuration(folder, client_configuration(self))
        for lock in folder.glob("*.lock"):
            lock.unlink()  # of the writers above: nobody else has been here


def client_configuration(profile: ClientProfile) -> str:
    """The text of `connector.toml`, with comments for people. Pure; name and provider have been checked."""
    name, provider = json.dumps(profile.name), json.dumps(profile.provider)
    off = "" if profile.security else "# "
    return f"""\
# The client {profile.name}: what it uses runs elsewhere; it looks names up there (`connector lookup NAME --outside`).

[container]
name = {name}
realm = {name}
state = "{STATE}"

[realms.{profile.name}]                # of this profile's own; nobody is in it
registry = "file"
path = "{USERS}"

[auth_data]                            # the client's logins, encrypted; both files have mode 0600
store = "file"
path = "{VAULT}"
key = "file:{KEY}"

[tls.node-default]                     # `connector signers` lists and changes whom it trusts
key_store = "{KEYS}/{OWN_KEY}"             # made for this profile; `connector signers export` shows the certificate
trust_store = "{KEYS}/{TRUST}"

[naming.provider]
address = {provider}
# the look-ups: trusted by which configuration, and the alias of their login
{off}tls = "node-default"
{off}alias = "{LOOK_UP}"
# the connections made afterwards
{off}connection_tls = "node-default"
{off}connection_alias = "{CONNECTION}"
"""


def next_commands(profile: ClientProfile, folder: Path) -> list[tuple[str, str]]:
    """What is to be done before the first look-up, as command and what for. Pure."""
    command = f"connector -c {folder / CONFIGURATION}"
    return [
        (f"{command} signers retrieve {profile.provider}", "show the server's certificate, and trust it"),
        (f"{command} auth-data set {LOOK_UP} --user USER", "the login of look-ups"),
        (f"{command} auth-data set {CONNECTION} --user USER", "the login of connections"),
        (f"{command} signers export", "the own certificate, for servers that ask for it"),
    ]
