"""`connector bus`: a bus's roles, resources and failed messages, by edits of its tables (BUS-12)."""

from __future__ import annotations

import click

from connector.admin.bus_shape import Kind
from connector.admin.commands.bus_exceptions import exceptions
from connector.admin.commands.bus_itself import add, chains, list_buses, remove
from connector.admin.commands.bus_links import links
from connector.admin.commands.bus_policy import diff, explain, show
from connector.admin.commands.bus_resources import mediations, resource_group, topics
from connector.admin.commands.bus_roles import inherit, roles
from connector.admin.commands.bus_subscriptions import subscriptions
from connector.admin.settings import AdminGroup


@click.group(cls=AdminGroup)
def bus() -> None:
    """Administer a bus. Role: configurator, for roles administrator, for failed messages operator.

    Each command is an edit of the bus's tables in the configuration: checked as a whole, comments kept, in force at
    once where a container runs and it can be.
    """


bus.add_command(list_buses)
bus.add_command(show)
bus.add_command(add)
bus.add_command(remove)
bus.add_command(chains)
bus.add_command(explain)
bus.add_command(diff)
bus.add_command(roles)
bus.add_command(inherit)
bus.add_command(
    resource_group("destinations", Kind.DESTINATION, "List, show, add and remove destinations of a bus.", typed=True)
)
bus.add_command(topics)
bus.add_command(resource_group("foreign", Kind.FOREIGN, "List, show, add and remove the foreign buses that it knows."))
bus.add_command(
    resource_group("temporary", Kind.TEMPORARY, "List, show, add and remove prefixes of temporary destinations.")
)
bus.add_command(mediations)
bus.add_command(exceptions)
bus.add_command(links)
bus.add_command(subscriptions)
