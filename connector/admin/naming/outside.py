"""A look-up from the command line: whom it asks, as whom, and what its outcome means for a connection (CONF-6)."""

from __future__ import annotations

import ipaddress
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, final

import click

from connector.admin import password_input
from connector.admin.failure import RemoteFailure
from connector.admin.naming.rules import LOGIN_NEEDED
from connector.admin.operations.request import Login
from connector.admin.password_input import PasswordSource
from connector.admin.profile import Profile
from connector.admin.settings import CommandSettings
from connector.admin.signer_question import offer_to_trust
from connector.container.naming import NAME_UNKNOWN
from connector.errors import AccessDenied, AuthDataError, ConfigError, Reason, SignerUnknown

if TYPE_CHECKING:
    from connector.security.tls.settings import TlsSettings
    from connector.spi import AuthenticationData, NamingReference

NOWHERE = Reason(
    "CF-NAM-009",
    "{name} is to be looked up in another container, and nothing says in which.",
    "Set naming.provider.address in the configuration, or give --naming HOST:PORT.",
)
ADDRESS_WRONG = Reason("CF-NAM-010", "{address!r} is no address of a naming port.", "Write HOST:PORT.")
DEFINED_HERE = Reason(
    "CF-NAM-012",
    "the connection factory {name} is defined in the own configuration, and was to be looked up in another container.",
    "Leave --naming out, or give another name.",
)
IN_THE_CLEAR = Reason(
    "CF-NAM-013",
    "a login was to be sent to {address} in the clear; nothing was sent.",
    "Name a TLS configuration: connector config set naming.provider.tls node-default, or --server-trust FILE.",
)
RUNS_HERE = Reason(
    "CF-NAM-014",
    "{name} was looked up for a command, and a container runs on the own profile, which does not have it.",
    "Stop that container, give the command a profile of its own, or define the connection factory there.",
)
NO_FACTORY = Reason(
    "CF-NAM-015", "{name} is a {kind} there, and no connection factory.", "Give the name of a connection factory."
)
NO_DESTINATION = Reason(
    "CF-NAM-580", "{name} is a {kind} there, and no destination.", "Give the name of a destination."
)
NO_MESSAGES_THERE = Reason(
    "CF-NAM-581",
    "{name} is a connection factory of the adapter {adapter!r} there, by which no messages go over the network.",
    "Give the name of one of a bus or of a broker; one of another adapter is defined in the own configuration.",
)
ALIAS_GONE = Reason(
    "CF-NAM-011",
    "the alias {alias!r} of [naming.provider] does not exist.",
    "Make it: connector auth-data set {alias} --user USER.",
)
LOGIN_FILE_EXPOSED = Reason(
    "CF-NAM-421",
    "the file {path} with the client's logins can be read by others (mode {mode}).",
    "Run `chmod 600 {path}`; change the passwords in it if somebody may have read it together with its key.",
)

#: How a client signs on, and what it lets over the network, is its own business, whatever a container tells it.
_OWN = frozenset({"user", "password", "tls", "allow_plain_passwords", "certificate_sign_on"})
#: By whose connections messages are sent from outside. Any other adapter would do what whoever answers likes: open a
#: file here as a database, for example.
_BELIEVED_ADAPTERS = frozenset({"amqp"})
#: What a value begins with that stands for a secret of the reader's own.
_SOURCES = ("file:", "env:")

_Command = TypeVar("_Command", bound=Callable[..., Any])


def naming_option(command: _Command) -> _Command:
    """Give a command `--naming`."""
    return click.option(
        "--naming",
        metavar="HOST:PORT",
        help="The naming port to ask; that of [naming.provider] unless given.",
    )(command)


@final
@dataclass(slots=True)
class Outside:
    """Where a command looks names up: an address of its own, or what the profile says.

    Attributes:
        settings: The shared options: `--login`, `--server-trust`, `--client-key`.
        profile: The profile; None where there is no configuration.
        address: HOST:PORT; None for the profile's provider.
        asked: The login that was asked for at the terminal, kept for the look-ups after the first.
    """

    settings: CommandSettings
    profile: Profile | None
    address: str | None
    asked: Login | None = None

    def look_up(self, name: str) -> NamingReference:
        """Look a name up. Blocks for the network, and for a prompt where a login is needed and there is a terminal.

        An unknown signer is shown there, and asked about. Raises ConfigError CF-NAM-009, -010, -011, AccessDenied
        CF-NAM-013, AuthDataError CF-NAM-421, and what `client.look_up` and `offer_to_trust` raise.
        """
        from connector.admin.naming.client import look_up  # TLS is not for every command to wait for

        host, port, tls = self._where(name)
        login = self._login()
        protected = tls is not None or _is_here(host)
        if login is not None and not protected:
            raise AccessDenied(IN_THE_CLEAR, address=f"{host}:{port}")
        try:
            return self._trusting(lambda: look_up(name, host, port, tls, login))
        except RemoteFailure as refusal:
            if refusal.failure.code != LOGIN_NEEDED.code or not password_input.is_terminal():
                raise
            if not protected:
                raise AccessDenied(IN_THE_CLEAR, address=f"{host}:{port}") from None
        return look_up(name, host, port, tls, self._ask("The look-up needs a login"))

    def destination(self, name: str) -> str:
        """What a destination is called where it is: looked up, or the name itself where nothing of it is offered.

        Blocks for the network. Raises ConfigError CF-NAM-580, and what `look_up` raises.
        """
        try:
            found = self.look_up(name)
        except RemoteFailure as refusal:
            if refusal.failure.code != NAME_UNKNOWN.code:
                raise
            return name
        if found.kind != "destination":
            raise ConfigError(NO_DESTINATION, name=name, kind=found.kind)
        return str(found.properties.get("name", name))

    def connection_overrides(self, name: str, found: NamingReference) -> dict[str, Any]:
        """The resource that the own container is to have for what was looked up, as settings that win over files.

        What it says of sign-on, of TLS, or of files and variables of this machine is dropped: whoever answers must not
        have this client send a secret anywhere. An alias that is still to be made is left to `bus_options.carry_out`.
        Raises ConfigError CF-NAM-012, -015, -581, AuthDataError CF-NAM-421.
        """
        if found.kind != "connection-factory":
            raise ConfigError(NO_FACTORY, name=name, kind=found.kind)
        if found.adapter not in _BELIEVED_ADAPTERS:
            raise ConfigError(NO_MESSAGES_THERE, name=name, adapter=found.adapter[:100])
        if self.profile is not None and name in self.profile.resources:
            raise ConfigError(DEFINED_HERE, name=name)
        properties = {key: value for key, value in found.properties.items() if _is_believed(key, value)}
        resource: dict[str, Any] = {"adapter": found.adapter, "kind": found.kind, "properties": properties}
        provider = None if self.profile is None else self.profile.naming
        if provider is not None:
            if provider.connection_tls is not None:
                properties["tls"] = provider.connection_tls
            properties |= provider.connection_properties
            if provider.connection_alias is not None:
                if self._entry(provider.connection_alias) is None:
                    self.settings.connection_alias = provider.connection_alias
                else:
                    resource["component_alias"] = provider.connection_alias
        return {"resources": {name: resource}}

    def _where(self, name: str) -> tuple[str, int, TlsSettings | None]:
        settings = self.settings
        provider = None if self.profile is None else self.profile.naming
        if self.address is None:
            if provider is None:
                raise ConfigError(NOWHERE, name=name)
            return provider.host, provider.port, provider.tls
        host, _, port = naming_address(self.address).rpartition(":")
        if settings.server_trust is None and settings.client_key is None:
            return host.strip("[]"), int(port), None if provider is None else provider.tls
        from connector.security.tls.settings import TlsSettings

        trust = None if settings.server_trust is None else Path(settings.server_trust)
        return (
            host.strip("[]"),
            int(port),
            TlsSettings("server-trust", key_store=settings.client_key, trust_store=trust),
        )

    def _login(self) -> Login | None:
        settings, profile = self.settings, self.profile
        if self.asked is not None:
            return self.asked
        if settings.login is not None:
            source = PasswordSource(file=settings.login_password_file, options="--login-password-file FILE")
            return Login(settings.login, source.read(f"password of {settings.login}"))
        if profile is None or profile.naming is None or profile.naming.alias is None:
            return None
        alias = profile.naming.alias
        entry = self._entry(alias)
        if entry is not None:
            return Login(entry.user, entry.password)
        if not password_input.is_terminal():
            raise ConfigError(ALIAS_GONE, alias=alias)
        return self._ask(f"The look-up needs a login; the alias {alias} has none yet")

    def _ask(self, why: str) -> Login:
        self.asked = ask_for_login(why)
        return self.asked

    def _entry(self, alias: str) -> AuthenticationData | None:
        """An alias of the profile, from its encrypted file. Raises AuthDataError CF-NAM-421."""
        assert self.profile is not None
        path = self.profile.login_file
        if path is not None and path.exists():
            mode = stat.S_IMODE(path.stat().st_mode)
            if mode & 0o077:
                raise AuthDataError(LOGIN_FILE_EXPOSED, path=path, mode=f"{mode:04o}")
        return self.profile.stores.open_auth_data().load().get(alias)

    def _trusting(self, look_up: Callable[[], NamingReference]) -> NamingReference:
        """Look up; where the signer is unknown, once more if somebody says that it may be trusted."""
        try:
            return look_up()
        except SignerUnknown as error:
            offer_to_trust(error, self.settings)
            return look_up()


def naming_address(text: str) -> str:
    """HOST:PORT as given, if it is that. Pure. Raises ConfigError CF-NAM-010."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65_536:
        raise ConfigError(ADDRESS_WRONG, address=text)
    return text


def ask_for_login(why: str) -> Login:
    """User and password from whoever sits at the terminal; blocks for them. Raises ConfigError where nobody does."""
    user = click.prompt(why, err=True)
    return Login(user, PasswordSource().read(f"password of {user}"))


def _is_believed(key: str, value: Any) -> bool:
    """Whether a property of an answer is taken over. Pure."""
    return key not in _OWN and "password" not in key and not str(value).startswith(_SOURCES)


def _is_here(host: str) -> bool:
    """Whether a host is this machine: then nothing goes over a network."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
