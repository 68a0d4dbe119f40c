"""`connector init`: a new profile."""

from __future__ import annotations

from pathlib import Path

import click

from connector.admin.new_profile import CONFIGURATION, NewProfile, check_name
from connector.admin.output import print_json, print_line
from connector.admin.password_input import PasswordSource, password_options
from connector.admin.publish import publish
from connector.admin.settings import AdminCommand, settings_of

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
@click.option("--force", is_flag=True, help="Use a folder that is not empty; what is in the way is kept.")
@password_options
@click.pass_context
def init(
    context: click.Context,
    folder: Path,
    name: str | None,
    admin_user: str,
    insecure: bool,
    force: bool,
    password_stdin: bool,
    password_file: Path | None,
) -> None:
    """Make a profile in DIR: configuration, users, an encrypted vault with a key of its own.

    Secure by default: administrative, application and bus security are on, and the administrator's password is asked
    for. Two users with random passwords are made behind built-in aliases: NAME-applications, which may connect to the
    bus, and NAME-engines, which never may. All or nothing.
    """
    folder = folder.absolute()
    name = check_name("the container name", name or folder.name, "--name NAME")
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


def _print(profile: NewProfile, folder: Path) -> None:
    print_line(f"Made the profile {profile.name} in {folder}.")
    if profile.security:
        print_line(f"Administrator: {profile.admin_user}. Security is on for administration, applications and the bus.")
    else:
        print_line("This profile is OPEN:")
        for line in _OPEN:
            print_line(f"  - {line}")
    print_line(f"Start it: connector run -c {folder / CONFIGURATION}")
