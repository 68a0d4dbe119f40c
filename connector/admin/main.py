"""The command `connector` (OPS-1): its commands, and the one place where what they raise becomes an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

import click

from connector.admin.exit_codes import ExitCode
from connector.admin.failure import Failure, traceback_of
from connector.admin.lazy_group import LazyGroup
from connector.admin.output import printable
from connector.admin.settings import CommandSettings, settings_of, shared_options
from connector.errors import Reason

WRONG_USAGE = Reason("CF-ADM-003", "{message}", "See `{command} --help`.")

_AT = "connector.admin.commands"
COMMANDS: Mapping[str, tuple[str, str]] = {
    "init": (f"{_AT}.init:init", "Make a profile: configuration, users, keys; secure by default."),
    "run": (f"{_AT}.run:run", "Run the container until it is told to stop."),
    "stop": (f"{_AT}.stop:stop", "Stop a running container."),
    "check": (f"{_AT}.check:check", "Check the configuration and the security posture."),
    "status": (f"{_AT}.status:status", "Show resources, pools and activations."),
    "explain": (f"{_AT}.explain:explain", "Show where a reference's sign-on comes from."),
    "test-connection": (f"{_AT}.test_connection:test_connection", "Sign on and connect once."),
    "pool": (f"{_AT}.pool:pool", "Show the pools of a running container, purge, resize, suspend one."),
    "config": (f"{_AT}.config:config", "Show and change any setting."),
    "bus": (f"{_AT}.bus:bus", "Roles, destinations and failed messages of a bus."),
    "transactions": (f"{_AT}.transactions:transactions", "List unfinished transactions, decide those in doubt."),
    "activations": (f"{_AT}.activations:activations", "Show the activations of a running container, pause one."),
    "lookup": (f"{_AT}.lookup:lookup", "Look a resource or reference up."),
    "auth-data": (f"{_AT}.auth_data:auth_data", "List and change authentication aliases."),
    "users": (f"{_AT}.users:users", "List and change users and groups."),
    "realms": (f"{_AT}.realms:realms", "List realms, and show who the callers of foreign ones are here."),
    "signers": (f"{_AT}.signers:signers", "List and change whom TLS trusts, fetch and export certificates."),
    "send": (f"{_AT}.send:send", "Send a message to a destination of a bus."),
    "receive": (f"{_AT}.receive:receive", "Take a message from a destination."),
    "browse": (f"{_AT}.browse:browse", "Look at the messages on a destination."),
    "request": (f"{_AT}.request:request", "Send a message and wait for the reply."),
    "plugins": (f"{_AT}.plugins:plugins", "List adapters, mappers and other plugins."),
    "version": (f"{_AT}.version:version", "Show the version."),
}

_EPILOG = """\b
Examples:
  connector init weather                          a secure profile in ./weather
  connector run -c weather/connector.toml
  connector explain orders:jdbc/ledger --as alice
  connector auth-data set ledger-batch --user batch
  connector request weather forecast.requests '{"location": "UK"}' --as alice

\b
Exit codes: 0 done, 1 refused or failed, 2 wrong usage or configuration,
3 can't connect, 130 interrupted. Passwords are prompted for, or read from
standard input or a file; they are never arguments."""


class ConnectorGroup(LazyGroup):
    """The root group with its error boundary: no exception leaves it, every run ends with a documented exit code."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **options: Any) -> NoReturn:
        """Run the program and exit. Failures go to standard error; with `--json` to standard output as an object."""
        arguments = list(sys.argv[1:] if args is None else args)
        settings = CommandSettings()
        options.update(standalone_mode=False, obj=settings)
        try:
            code = super().main(arguments, *more, **options)
        except click.exceptions.Exit as exit_:
            code = exit_.exit_code
        except click.UsageError as error:
            command = error.ctx.command_path if error.ctx is not None else "connector"
            _report(_usage(error.format_message(), command), as_json=settings.json or "--json" in arguments)
            code = ExitCode.USAGE
        except (click.Abort, KeyboardInterrupt):
            code = _report(Failure.of(KeyboardInterrupt()), as_json=settings.json)
        except Exception as error:  # noqa: BLE001 - the boundary: a defect is reported, and tells no values
            code = _report(Failure.of(error), as_json=settings.json)
            if os.environ.get("CONNECTOR_DEBUG") == "1":
                click.echo(traceback_of(error), err=True)
        sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _usage(message: str, command: str) -> Failure:
    return Failure(
        WRONG_USAGE.code,
        WRONG_USAGE.text.format(message=message),
        WRONG_USAGE.action.format(command=command),
        ExitCode.USAGE,
    )


def _report(failure: Failure, *, as_json: bool) -> int:
    """Print a failure where it belongs; answers its exit code."""
    if as_json:
        click.echo(failure.to_json())
    else:
        click.echo(printable(failure), err=True)
    return int(failure.exit_code)


@click.command(
    cls=ConnectorGroup,
    commands_at=COMMANDS,
    name="connector",
    epilog=_EPILOG,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    params=shared_options(with_environment=True),
)
@click.pass_context
def main(context: click.Context) -> None:
    """Connectors with one identity all the way: from the message to the database.

    Commands on a running container go through its admin socket, by login and role; where none runs they work on the
    profile's files, for whoever owns them.
    """
    settings_of(context)


__all__ = ["COMMANDS", "ExitCode", "main"]
