"""`connector check`: the configuration and the security posture."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from connector.admin.exit_codes import ExitCode
from connector.admin.output import print_json, print_line
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of

#: The gravest first.
_SEVERITIES = ("error", "warning", "note")


@click.command(cls=AdminCommand)
@click.argument("configuration", required=False, type=click.Path(path_type=Path))
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="error",
    show_default=True,
    help="The least severity of a finding that makes the exit code 1: for pipelines.",
)
@click.pass_context
def check(context: click.Context, configuration: Path | None, fail_on: str) -> None:
    """Check the configuration file, then the security posture of the container. Role: monitor.

    Mistakes in the file end the check with exit code 2. Where no container runs, one is opened to be looked at.
    Findings of severity `error`, or of that which --fail-on says, make the exit code 1.
    """
    settings = settings_of(context)
    if configuration is not None:
        settings.config = configuration
    found: list[dict[str, Any]] = Route.of(context).call("findings", {})
    if settings.json:
        print_json(found)
    else:
        _print(found)
    grave = _SEVERITIES[: _SEVERITIES.index(fail_on) + 1] if fail_on in _SEVERITIES else ()
    if any(finding["severity"] in grave for finding in found):
        context.exit(ExitCode.REFUSED)


def _print(found: list[dict[str, Any]]) -> None:
    for finding in found:
        print_line(f"{finding['severity']}: {finding['code']}: {finding['place']}: {finding['text']}")
        if finding["action"]:
            print_line(f"  {finding['action']}")
    errors = sum(finding["severity"] == "error" for finding in found)
    warnings = sum(finding["severity"] == "warning" for finding in found)
    print_line(f"The configuration is valid; {errors} error(s), {warnings} warning(s) in the posture.")
