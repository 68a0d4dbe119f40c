"""`connector status`."""

from __future__ import annotations

from typing import Any

import click

from connector.admin.output import print_json, print_line
from connector.admin.route import Route
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.pass_context
def status(context: click.Context) -> None:
    """Show a container's resources with their pools, its applications and activations. Role: monitor."""
    found = Route.of(context).call("status", {})
    if settings_of(context).json:
        print_json(found)
    else:
        _print_tree(found, 0)


def _print_tree(data: dict[str, Any], depth: int) -> None:
    for name, value in data.items():
        margin = "  " * depth
        if isinstance(value, dict):
            print_line(f"{margin}{name}:")
            _print_tree(value, depth + 1)
        elif isinstance(value, list):
            print_line(f"{margin}{name}: {', '.join(_one_line(item) for item in value) or 'none'}")
        else:
            print_line(f"{margin}{name}: {value}")


def _one_line(item: Any) -> str:
    if isinstance(item, dict):
        return " ".join(f"{name}={value}" for name, value in item.items() if value is not None)
    return str(item)
