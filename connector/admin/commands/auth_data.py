"""`connector auth-data`: the authentication aliases of a container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.admin.output import print_json, print_line, print_result, print_table
from connector.admin.password_input import PasswordSource, password_options
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, file_source, settings_of
from connector.errors import ConfigError, Reason
from connector.security.passphrase_input import PROMPT

NEW_PASSPHRASE_WHILE_RUNNING = Reason(
    "CF-ADM-046",
    "a new passphrase can't be given to a container that runs.",
    "Stop it, rotate, and start it with the new passphrase; or rotate without a new one, which changes the salt.",
)


@click.group(name="auth-data", cls=AdminGroup)
def auth_data() -> None:
    """List and change authentication aliases. Role: administrator (list: monitor, refresh: operator).

    A change takes effect at once; connections signed on with superseded credentials are retired.
    """


@auth_data.command(name="list")
@click.pass_context
def list_entries(context: click.Context) -> None:
    """List all aliases with user, description and version; never a password."""
    found = Route.of(context).call("auth-data.list", {})
    if settings_of(context).json:
        print_json(found)
    else:
        columns = ("alias", "user", "description", "version")
        print_table(columns, found, empty="There are no aliases; `connector auth-data set` makes one.")


@auth_data.command(name="set")
@click.argument("alias")
@click.option("--user", required=True, help="The user in the external system.")
@click.option("--description", default="", help="A text for people.")
@password_options
@click.pass_context
def set_entry(
    context: click.Context, alias: str, user: str, description: str, password_stdin: bool, password_file: Path | None
) -> None:
    """Add ALIAS, or replace its user and password."""
    password = PasswordSource(password_stdin, password_file).read(f"password of {user}", repeat=True)
    arguments = {"alias": alias, "user": user, "description": description, "password": password.reveal()}
    result = Route.of(context).call("auth-data.set", arguments)
    _print(context, result, f"Set alias {alias} (version {result['version']}).")


@auth_data.command()
@click.argument("alias")
@click.pass_context
def remove(context: click.Context, alias: str) -> None:
    """Remove ALIAS."""
    result = Route.of(context).call("auth-data.remove", {"alias": alias})
    _print(context, result, f"Removed alias {alias}.")


@auth_data.command()
@click.pass_context
def refresh(context: click.Context) -> None:
    """Have the running container read its authentication data again."""
    result = Route.of(context).call("auth-data.refresh", {})
    if result["running"]:
        text = f"Read again; changed: {', '.join(result['changed']) or 'nothing'}."
    else:
        text = "No container runs here: the next start reads the data."
    print_result(result, as_json=settings_of(context).json, for_people=text)


@auth_data.command(name="rotate-key")
@click.option(
    "--new-passphrase-file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="For key = passphrase: where the next one stands; without it the passphrase stays and its salt changes.",
)
@click.option("--new-passphrase-prompt", is_flag=True, help="Or ask for the next one.")
@click.pass_context
def rotate_key(context: click.Context, new_passphrase_file: Path | None, new_passphrase_prompt: bool) -> None:
    """Encrypt everything anew under a new key, or go on with a rotation that was interrupted.

    At any instant everything can be read. A key that is set outside (env:NAME) is rotated by appending the new one to
    it first. A new passphrase needs the container to be stopped.
    """
    settings, route = settings_of(context), Route.of(context)
    if new_passphrase_file is not None:
        settings.new_passphrase = file_source(new_passphrase_file)
    elif new_passphrase_prompt:
        settings.new_passphrase = PROMPT
    if settings.new_passphrase is not None and route.is_running():
        raise ConfigError(NEW_PASSPHRASE_WHILE_RUNNING)
    result = route.call("auth-data.rotate-key", {}, tell=lambda line: print_line(line, to_errors=True))
    text = f"Encrypted {result['entries']} entries under a new key."
    if result["resumed"]:
        text = (
            f"Went on with the rotation that was begun before: {result['entries']} entries are under its key. "
            "Rotate again if that key may have been seen since."
        )
    _print(context, result, text)


@auth_data.command(name="init-key")
@click.pass_context
def init_key(context: click.Context) -> None:
    """Make the first key of a new list, where `key` in [auth_data] says; never replaces one."""
    result = Route.of(context).call("auth-data.init-key", {})
    print_result(result, as_json=settings_of(context).json, for_people="Made the key.")


def _print(context: click.Context, result: dict[str, Any], text: str) -> None:
    effect = " In force in the running container." if result["running"] else ""
    print_result(result, as_json=settings_of(context).json, for_people=f"{text}{effect}")
