"""What `send`, `receive`, `browse` and `request` have in common: the caller's login, the body, printing a message."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar, final

import click

from connector.admin import password_input
from connector.admin.naming.outside import RUNS_HERE, Outside, ask_for_login, naming_option
from connector.admin.operations import Login
from connector.admin.output import print_line
from connector.admin.password_input import PasswordSource, password_options
from connector.admin.route import Route
from connector.admin.settings import settings_of
from connector.admin.signer_question import offer_to_trust
from connector.errors import ConfigError, Reason, SignerUnknown

STDIN_TAKEN = Reason(
    "CF-ADM-016",
    "standard input can't give both the body and the password.",
    "Give the password with --password-file FILE.",
)
USER_MISSING = Reason("CF-ADM-017", "a password was given without a user.", "Say with --as USER whose password it is.")

NO_LOGIN_YET = Reason(
    "CF-NAM-422",
    "the connection {name} needs a login: the alias {alias!r} of naming.provider.connection_alias does not exist.",
    "Make it: connector auth-data set {alias} --user USER; or give --as USER.",
)

#: How many endpoints of one connection factory may be asked about.
MOST_SIGNERS: Final = 5

_Command = TypeVar("_Command", bound=Callable[..., Any])


def bus_arguments(command: _Command) -> _Command:
    """Give a command BUS, DESTINATION, `--cf`, `--as` and the password options; `Place.of` reads the first three."""
    command = password_options(command)
    command = click.option("--as", "user", metavar="USER", help="The user to sign on to the bus as.")(command)
    command = click.option(
        "--cf",
        metavar="NAME",
        help="A connection factory of the configuration, of a broker elsewhere for example; BUS is then left out.",
    )(command)
    command = naming_option(command)
    command = click.argument("destination", required=False, metavar="DESTINATION")(command)
    return click.argument("bus", required=False, metavar="BUS")(command)


@final
@dataclass(frozen=True, slots=True)
class Place:
    """Where a command's messages are.

    Attributes:
        destination: The destination.
        body: The body argument, or None.
        bus: The bus, or None with a connection factory.
        cf: The connection factory, or None with a bus.
    """

    destination: str
    body: str | None
    bus: str | None
    cf: str | None

    @classmethod
    def of(cls, cf: str | None, *words: str | None) -> Place:
        """Read BUS DESTINATION [BODY], or with `--cf` DESTINATION [BODY]. Raises click.UsageError."""
        given = [word for word in words if word is not None]
        needed = ("DESTINATION",) if cf is not None else ("BUS", "DESTINATION")
        if len(given) < len(needed):
            raise click.UsageError(f"Missing argument '{needed[len(given)]}'.")
        rest = given[len(needed) :]
        if len(given) > len(words) - (2 - len(needed)):
            raise click.UsageError(f"Got unexpected extra argument ({given[-1]}): with --cf there is no BUS.")
        return cls(given[len(needed) - 1], rest[0] if rest else None, None if cf is not None else given[0], cf)

    def operation(self, verb: str) -> str:
        """The operation that does it there."""
        return f"bus.{verb}" if self.cf is None else f"connection.{verb}"

    def arguments(self, login: Login | None, **others: Any) -> dict[str, Any]:
        """The operation's arguments. A bus checks a login by itself; a connection factory's signs on with it."""
        if self.cf is None:
            return {"bus": self.bus, "destination": self.destination, **others}
        signed_on = {} if login is None else {"user": login.user, "password": login.password.reveal()}
        return {"reference": self.cf, "destination": self.destination, **signed_on, **others}

    def login(self, login: Login | None) -> Login | None:
        """The request's login: the bus's own; with a connection factory none, it goes with the arguments."""
        return login if self.cf is None else None


def route_to(context: click.Context, place: Place, naming: str | None, *names: str | None) -> tuple[Route, list[str]]:
    """The way to a place's messages, and the names of destinations as they are there.

    A connection factory that the own configuration does not define, and destinations with it, are looked up outside
    (CONF-6): the container that is opened for the command then has it. Blocks for the look-ups; raises what they raise.

    Args:
        context: The command's.
        place: Where the messages are.
        naming: The naming port to ask, or None for the configuration's.
        names: Further names of destinations; None for none.
    """
    wanted = [place.destination, *(name for name in names if name is not None)]
    profile = Route.of(context).profile if place.cf is not None else None
    if naming is not None and place.cf is None:
        raise click.UsageError("--naming goes with --cf.")
    if profile is None or place.cf is None or (naming is None and profile.naming is None):
        return Route.of(context), wanted
    if place.cf in profile.resources and naming is None:
        return Route.of(context), wanted
    settings = settings_of(context)
    outside = Outside(settings, profile, naming)
    if Route.of(context).is_running():
        raise ConfigError(RUNS_HERE, name=place.cf)
    settings.looked_up = outside.connection_overrides(place.cf, outside.look_up(place.cf))
    return Route.of(context), [outside.destination(name) for name in wanted]


def carry_out(
    context: click.Context, route: Route, place: Place, verb: str, login: Login | None, wait: float = 0.0, **others: Any
) -> Any:
    """Carry the operation of a command out at its place; answers its plain result. Blocks for it.

    At a terminal, an unknown signer is shown and asked about, and a login that [naming.provider] has no alias for is
    asked for (CONF-5, CHAIN-3).

    Args:
        context: The command's.
        route: The way there, of `route_to`.
        place: Where the messages are.
        verb: What is to be done.
        login: Whom to sign on as; None for whom the configuration says.
        wait: Seconds that the operation itself may take.
        **others: Its arguments.

    Raises what `Route.call` raises, ConfigError CF-NAM-422, and what `offer_to_trust` raises.
    """
    settings = settings_of(context)
    if login is None and settings.connection_alias is not None:
        alias = settings.connection_alias
        if not password_input.is_terminal():
            raise ConfigError(NO_LOGIN_YET, name=place.cf, alias=alias)
        login = ask_for_login(f"The connection {place.cf} needs a login; the alias {alias} has none yet")
    arguments = place.arguments(login, **others)
    for _ in range(MOST_SIGNERS):
        try:
            return route.call(place.operation(verb), arguments, login=place.login(login), wait=wait)
        except SignerUnknown as error:
            offer_to_trust(error, settings)
    return route.call(place.operation(verb), arguments, login=place.login(login), wait=wait)


def timeout_option(default: float) -> Callable[[_Command], _Command]:
    """Give a command `--timeout` in seconds."""
    return click.option(
        "--timeout",
        type=click.FloatRange(0, 86_400),
        default=default,
        show_default=True,
        metavar="SECONDS",
        help="How long to wait.",
    )


def bus_login(
    user: str | None, password_stdin: bool, password_file: Path | None, *, body: str | None = None
) -> Login | None:
    """The login for the bus, or None without `--as`; may ask for the password.

    Raises ConfigError: a password without a user, no way to a password, or standard input wanted twice.
    """
    if password_stdin and body == "-":
        raise ConfigError(STDIN_TAKEN)
    if user is None:
        if password_stdin or password_file is not None:
            raise ConfigError(USER_MISSING)
        return None
    return Login(user, PasswordSource(password_stdin, password_file).read(f"password of {user}"))


def message_body(text: str | None) -> Any:
    """The body that an argument stands for: `-` is standard input; JSON if it parses, else text; None if absent."""
    if text == "-":
        text = sys.stdin.read()
    if text is None:
        return None
    try:
        return json.loads(text)
    except ValueError:
        return text


def print_message(message: dict[str, Any]) -> None:
    """Print a message for people: where it comes from on the first line, then its body."""
    stamp = message["timestamp"]
    when = "" if stamp is None else f" at {datetime.fromtimestamp(stamp, UTC):%Y-%m-%d %H:%M:%S} UTC"
    print_line(f"{message['message_id'] or 'message'} from {message['identity'] or 'nobody'}{when}")
    for name, value in message["properties"].items():
        print_line(f"  {name}: {value}")
    body = message["body"]
    print_line(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False))
