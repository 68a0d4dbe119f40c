"""`connector config`: the configuration, read and changed by command (CONF-8)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import click
import tomlkit

from connector.admin.edit_text import edit_text
from connector.admin.output import print_json, print_line, print_result
from connector.admin.route import Route
from connector.admin.settings import AdminGroup, settings_of

_REVISION = click.option(
    "--revision", metavar="REVISION", help="Refuse if the files have changed since `get --json` answered this one."
)


@click.group(cls=AdminGroup)
def config() -> None:
    """Read and change any setting. Role: configurator; for security settings administrator (get: monitor).

    KEYPATH is the key's way from the top, with dots; a key with a dot in it stands in quotes, an application's keys
    under applications.NAME, wherever they are written:

    \b
      connector config get buses.weather
      connector config set 'resources."jdbc/ledger".pool.max_size' 20
      connector config set applications.uk.application.handlers '["weather.uk_rain"]'

    The files are checked as a whole before anything is changed, comments and layout stay, and a running container puts
    in force at once what it can; the answer says what waits for a restart.
    """  # noqa: D301 - the backspace is click's sign for lines that stay as they are


@config.command()
@click.argument("keypath", required=False)
@click.pass_context
def get(context: click.Context, keypath: str | None) -> None:
    """Show what is said at KEYPATH, by files and environment together, without secrets; without KEYPATH everything."""
    found = Route.of(context, mistakes=True).call("config.get", {"key": keypath})
    if settings_of(context).json:
        print_json(found)
        return
    value = found["value"]
    if isinstance(value, Mapping):
        print_line(tomlkit.dumps(value).rstrip("\n"))
    else:
        print_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


@config.command(name="set")
@click.argument("pairs", nargs=-1, required=True, metavar="KEYPATH VALUE [KEYPATH VALUE]...")
@click.option("--text", is_flag=True, help="Take VALUE for a text, also where it reads as something else.")
@_REVISION
@click.pass_context
def set_values(context: click.Context, pairs: tuple[str, ...], text: bool, revision: str | None) -> None:
    """Give KEYPATH the VALUE: TOML where it reads as such, else a text. Several are changed together or not at all.

    A secret is never given as a value: set file:PATH or env:NAME.
    """
    if len(pairs) % 2:
        raise click.UsageError("each KEYPATH needs its VALUE.", context)
    edits = [[pairs[number], pairs[number + 1]] for number in range(0, len(pairs), 2)]
    _change(context, "config.set", {"edits": edits, "text": text, "revision": revision})


@config.command()
@click.argument("keypaths", nargs=-1, required=True, metavar="KEYPATH...")
@_REVISION
@click.pass_context
def unset(context: click.Context, keypaths: tuple[str, ...], revision: str | None) -> None:
    """Take KEYPATH out, with everything below it: its default counts again."""
    _change(context, "config.unset", {"keys": list(keypaths), "revision": revision})


@config.command()
@click.pass_context
def reload(context: click.Context) -> None:
    """Have the running container put in force what was edited in the files: all of it that can be live, or nothing."""
    _change(context, "config.reload", {})


def _change(context: click.Context, operation: str, arguments: Mapping[str, Any]) -> None:
    report = Route.of(context, mistakes=True).call(operation, arguments, wait=60.0)
    print_result(report, as_json=settings_of(context).json, for_people=edit_text(report))
