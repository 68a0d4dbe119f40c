"""`connector init`: a new profile."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.client_profile import CONNECTION, LOOK_UP, PROVIDER, ClientProfile, next_commands
from connector.admin.naming.outside import naming_address
from connector.admin.new_profile import CONFIGURATION, NewProfile, check_name
from connector.admin.output import print_json, print_line
from connector.admin.password_input import PasswordSource, password_options
from connector.admin.publish import publish
from connector.admin.settings import AdminCommand, settings_of

_OPEN_CLIENT = "look-ups and connections go in plain text, and as nobody"
_OPEN = (
    "administrative security is off: commands on the running container need no login",
    "role checks on message-driven handlers have no effect",
    "bus security is off: whoever reaches the bus may send, receive and browse, as nobody",
)


@click.command(cls=AdminCommand)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--name", help="The container's name; the folder's unless given.")
@click.option("--admin-user", default="admin", show_default=True, help="The administrator.")
@click.option("--insecure", is_flag=True, help="An open profile, for trying things out; says what is open.")
@click.option("--client", is_flag=True, help="A client's profile: for commands that use a server elsewhere.")
@click.option(
    "--naming",
    metavar="HOST:PORT",
    default=PROVIDER,
    show_default=True,
    help="With --client: where names are looked up.",
)
@click.option("--force", is_flag=True, help="Use a folder that is not empty; what is in the way is kept.")
@password_options
@click.pass_context
def init(
    context: click.Context,
    folder: Path,
    name: str | None,
    admin_user: str,
    insecure: bool,
    client: bool,
    naming: str,
    force: bool,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Make a profile in DIR: configuration, users, an encrypted vault with a key of its own.

    Secure by default: administrative, application and bus security are on, and the administrator's password is asked
    for. Two users with random passwords are made behind built-in aliases: NAME-applications, which may connect to the
    bus, and NAME-engines, which never may. All or nothing.

    With --client it is a client's: a key, a certificate and a trust store of its own, and where names are looked up.
    There is no password in it; its logins are asked for at a terminal, or put into its encrypted file.
    """
    folder = folder.absolute()
    name = check_name("the container name", name or folder.name, "--name NAME")
    if client:
        if password_stdin or password_file is not None:
            raise click.UsageError("A client's profile has no administrator, and so no password.")
        _make_client(context, ClientProfile(name, naming_address(naming), security=not insecure), folder, force=force)
        return
    check_name("the user name", admin_user, "--admin-user USER")
    password = None
    if not insecure:
        source = PasswordSource(password_stdin, password_file)
        password = source.read(f"password of the administrator {admin_user}", repeat=True)
    profile = NewProfile(name, None if insecure else admin_user, password, security=not insecure)
    publish(folder, profile.write, last=CONFIGURATION, force=force)
    if settings_of(context).json:
        print_json(
            {
                "folder": str(folder),
                "name": name,
                "security": profile.security,
                "administrator": profile.admin_user,
                "aliases": [profile.applications, profile.engines],
                "open": list(_OPEN) if insecure else [],
            }
        )
        return
    _print(profile, folder)


def _make_client(context: click.Context, profile: ClientProfile, folder: Path, *, force: bool) -> None:
    publish(folder, profile.write, last=CONFIGURATION, force=force)
    commands = next_commands(profile, folder)
    if settings_of(context).json:
        print_json(
            {
                "folder": str(folder),
                "name": profile.name,
                "security": profile.security,
                "provider": profile.provider,
                "aliases": [LOOK_UP, CONNECTION] if profile.security else [],
                "next": [command for command, _ in commands],
                "open": [] if profile.security else [_OPEN_CLIENT],
            }
        )
        return
    print_line(f"Made the client profile {profile.name} in {folder}; names are looked up at {profile.provider}.")
    if not profile.security:
        print_line(f"This profile is OPEN: {_OPEN_CLIENT}.")
        print_line(f"Try it: connector -c {folder / CONFIGURATION} lookup NAME --outside")
        return
    print_line("No server is trusted yet, and no password is kept. Next:")
    for command, what in commands:
        print_line(f"  {command}\n      {what}")
    print_line("At a terminal, commands ask for what is missing when it is needed.")


def _print(profile: NewProfile, folder: Path) -> None:
    print_line(f"Made the profile {profile.name} in {folder}.")
    if profile.security:
        print_line(f"Administrator: {profile.admin_user}. Security is on for administration, applications and the bus.")
    else:
        print_line("This profile is OPEN:")
        for line in _OPEN:
            print_line(f"  - {line}")
    print_line(f"Start it: connector run -c {folder / CONFIGURATION}")
