"""`connector version`."""

from __future__ import annotations

import platform

import click

import connector
from connector.admin.output import print_json, print_line
from connector.admin.settings import AdminCommand, settings_of
from connector.spi import SPI_VERSION


@click.command(cls=AdminCommand)
@click.pass_context
def version(context: click.Context) -> None:
    """Show the version of the framework, of its contracts for adapters, and of Python."""
    if settings_of(context).json:
        print_json({"version": connector.__version__, "spi": SPI_VERSION, "python": platform.python_version()})
    else:
        print_line(
            f"connector-framework {connector.__version__} (SPI {SPI_VERSION}, Python {platform.python_version()})"
        )
