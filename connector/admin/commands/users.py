"""`connector users`: the user registries of the container's realms."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.output import print_json, print_result, print_table
from connector.admin.password_input import PasswordSource, password_options
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

realm_option = click.option("--realm", metavar="REALM", help="Another realm than the container's own.")


@click.group(cls=AdminGroup)
def users() -> None:
    """List and change users and groups. Role: administrator (list: monitor); effective at once."""


@users.command(name="list")
@realm_option
@click.pass_context
def list_users(context: click.Context, realm: str | None) -> None:
    """List all users with their groups."""
    found = Route.of(context).call("users.list", {"realm": realm})
    if settings_of(context).json:
        print_json(found)
    else:
        print_table(("user", "groups"), found, empty="There are no users; `connector users add` makes one.")


@users.command()
@click.argument("user")
@click.option("--group", "groups", multiple=True, metavar="GROUP", help="A group to put the user in; repeatable.")
@password_options
@realm_option
@click.pass_context
def add(
    context: click.Context,
    user: str,
    groups: tuple[str, ...],
    password_stdin: bool,
    password_file: Path | None,
    realm: str | None,
) -> None:
    """Add USER."""
    password = PasswordSource(password_stdin, password_file).read(f"password of the new user {user}", repeat=True)
    arguments = {"user": user, "groups": list(groups), "password": password.reveal(), "realm": realm}
    result = Route.of(context).call("users.add", arguments)
    print_result(result, as_json=settings_of(context).json, for_people=f"Added user {user}.")


@users.command()
@click.argument("user")
@realm_option
@click.pass_context
def remove(context: click.Context, user: str, realm: str | None) -> None:
    """Remove USER. Roles that were granted to it stay in the configuration and are reported by `check`."""
    result = Route.of(context).call("users.remove", {"user": user, "realm": realm})
    print_result(result, as_json=settings_of(context).json, for_people=f"Removed user {user}.")


@users.command()
@click.argument("user")
@password_options
@realm_option
@click.pass_context
def passwd(
    context: click.Context, user: str, password_stdin: bool, password_file: Path | None, realm: str | None
) -> None:
    """Give USER a new password."""
    password = PasswordSource(password_stdin, password_file).read(f"new password of {user}", repeat=True)
    arguments = {"user": user, "password": password.reveal(), "realm": realm}
    result = Route.of(context).call("users.passwd", arguments)
    print_result(result, as_json=settings_of(context).json, for_people=f"Changed the password of {user}.")


@users.command()
@click.argument("user")
@click.argument("groups", nargs=-1)
@realm_option
@click.pass_context
def groups(context: click.Context, user: str, groups: tuple[str, ...], realm: str | None) -> None:
    """Replace the groups of USER by GROUPS; none takes it out of all."""
    result = Route.of(context).call("users.groups", {"user": user, "groups": list(groups), "realm": realm})
    text = f"{user} is in {', '.join(sorted(groups)) or 'no group'} now."
    print_result(result, as_json=settings_of(context).json, for_people=text)


@users.command()
@click.argument("user", required=False)
@realm_option
@click.pass_context
def refresh(context: click.Context, user: str | None, realm: str | None) -> None:
    """Have a running container ask its registries anew: about USER, or about everybody. Role: operator.

    For what was changed elsewhere than by these commands, where groups or accepted passwords are kept for a while.
    """
    result = Route.of(context).call("users.refresh", {"user": user, "realm": realm})
    text = f"Of {user or 'all users'} nothing is kept now."
    print_result(result, as_json=settings_of(context).json, for_people=text)
