"""`connector plugins`: what is installed, and what of it is broken (OPS-3)."""

from __future__ import annotations

import click

from connector.admin.operations.show import plain_plugin
from connector.admin.output import print_json, print_table
from connector.admin.settings import AdminCommand, settings_of


@click.command(cls=AdminCommand)
@click.pass_context
def plugins(context: click.Context) -> None:
    """List adapters, mappers, stores, registries and other plugins with version, state and what they provide.

    It looks at this installation: no configuration is read, and no plugin is imported.
    """
    from connector.container.plugins.catalogue import PluginCatalogue

    found = [plain_plugin(plugin) for plugin in PluginCatalogue.discover().plugins]
    if settings_of(context).json:
        print_json(found)
    else:
        columns = ("group", "name", "distribution", "version", "state", "provides", "reason")
        print_table(columns, found, empty="No plugins are installed.")
