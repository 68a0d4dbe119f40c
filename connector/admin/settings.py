"""The options that every command understands, before or after its name: `--json`, `--config`, `--login` and so on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import click

from connector.security.passphrase_input import FILE, STDIN

if TYPE_CHECKING:
    from connector.admin.remote import RemoteServer

DEFAULT_CONFIGURATION = Path("connector.toml")


@final
@dataclass(slots=True)
class CommandSettings:
    """What the options before and after the command's name add up to; one for each run of the program.

    Attributes:
        json: Whether programs read the output.
        config: The container's configuration file.
        login: The administrator that a running container is asked as; None: without login, until it asks for one.
        login_password_file: Where that user's password stands; None: it is prompted for.
        passphrase_file: Where the passphrase of the authentication data stands; None: as the configuration says.
        passphrase_stdin: Whether it is the next line of standard input.
        new_passphrase: Where that of the next key comes from, as in the configuration; for a rotation.
        server: HOST:PORT of the admin port of a container elsewhere; None: the one of the configuration.
        server_trust: Whom to believe there: a file of certificates, or a fingerprint.
        client_key: Own key and certificate, for a port that asks for one.
        connection_alias: The alias that signs on to what was looked up, where it is still to be made; None for none.
        looked_up: What was looked up in another container, as settings that win over the files.
    """

    json: bool = False
    config: Path = DEFAULT_CONFIGURATION
    login: str | None = None
    login_password_file: Path | None = None
    passphrase_file: Path | None = None
    passphrase_stdin: bool = False
    new_passphrase: str | None = None
    server: str | None = None
    server_trust: str | None = None
    client_key: Path | None = None
    connection_alias: str | None = None
    looked_up: Mapping[str, Any] = field(default_factory=dict)

    @property
    def remote(self) -> RemoteServer | None:
        """The container elsewhere that is asked; None for one of this machine. Raises ConfigError (CF-ADM-091)."""
        if self.server is None:
            return None
        from connector.admin.remote import RemoteServer  # TLS is not for every command to wait for

        return RemoteServer.parse(self.server, self.server_trust, self.client_key)

    @property
    def overrides(self) -> dict[str, Any]:
        """What the options change of the configuration."""
        said: dict[str, Any] = {}
        if self.passphrase_file is not None:
            said["passphrase"] = file_source(self.passphrase_file)
        elif self.passphrase_stdin:
            said["passphrase"] = STDIN
        if self.new_passphrase is not None:
            said["new_passphrase"] = self.new_passphrase
        return {**({"auth_data": said} if said else {}), **self.looked_up}


def file_source(path: Path) -> str:
    """A file that an option names, as the configuration would: options' paths start from the current folder."""
    return f"{FILE}{path.absolute()}"


def settings_of(context: click.Context) -> CommandSettings:
    """The settings of this run."""
    return context.ensure_object(CommandSettings)


def _remember(context: click.Context, option: click.Parameter, value: Any) -> None:
    # The later one wins: an option after the command's name is parsed after the one before it. Absent ones are None
    # or False, and must not take back what stood before the command's name.
    if value and option.name is not None:
        setattr(settings_of(context), option.name, value)


def shared_options(*, with_environment: bool) -> list[click.Parameter]:
    """The shared options, made anew for each command.

    Args:
        with_environment: Whether the environment is read: by the group only, or its values, which are read again for
            the command, would win over options that stand before the command's name.
    """

    def variable(name: str) -> str | None:
        return name if with_environment else None

    common: dict[str, Any] = {"expose_value": False, "callback": _remember}
    return [
        click.Option(["--json"], is_flag=True, help="Output for programs: one JSON value.", **common),
        click.Option(
            ["--config", "-c"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar=variable("CONNECTOR_CONFIG"),
            help="The container's configuration; else $CONNECTOR_CONFIG or ./connector.toml.",
            **common,
        ),
        click.Option(
            ["--login"],
            metavar="USER",
            envvar=variable("CONNECTOR_LOGIN"),
            help="The administrator to ask a running container as; else $CONNECTOR_LOGIN or a prompt.",
            **common,
        ),
        click.Option(
            ["--login-password-file"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar=variable("CONNECTOR_LOGIN_PASSWORD_FILE"),
            help="Where its password stands; else $CONNECTOR_LOGIN_PASSWORD_FILE or a prompt.",
            **common,
        ),
        click.Option(
            ["--server"],
            metavar="HOST:PORT",
            envvar=variable("CONNECTOR_SERVER"),
            help="Ask the container whose admin port this is; else $CONNECTOR_SERVER, or the one of the configuration.",
            **common,
        ),
        click.Option(
            ["--server-trust"],
            metavar="FILE|FINGERPRINT",
            envvar=variable("CONNECTOR_SERVER_TRUST"),
            help="Its certificate or authority, or its SHA-256 fingerprint; else $CONNECTOR_SERVER_TRUST.",
            **common,
        ),
        click.Option(
            ["--client-key"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar=variable("CONNECTOR_CLIENT_KEY"),
            help="Own key and certificate, where it asks for one; else $CONNECTOR_CLIENT_KEY.",
            **common,
        ),
        click.Option(
            ["--passphrase-file"],
            type=click.Path(path_type=Path),
            metavar="FILE",
            envvar=variable("CONNECTOR_PASSPHRASE_FILE"),
            help="For key = passphrase: where it stands; else $CONNECTOR_PASSPHRASE_FILE or as configured.",
            **common,
        ),
        click.Option(["--passphrase-stdin"], is_flag=True, help="Or take it from standard input.", **common),
    ]


class AdminCommand(click.Command):
    """A command that understands the shared options as well."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params = [*self.params, *shared_options(with_environment=False)]


class AdminGroup(click.Group):
    """A group of such commands, for example `users`."""

    command_class = AdminCommand
