"""What a start finds wrong that loading can't: checked before an edit is written, without starting anything (CONF-8).

The registry is asked who exists, adapters are asked about their sections, handler modules are imported and matched with
activations: what an edit would break at the next start is refused now.
"""

from __future__ import annotations

from contextlib import ExitStack

from connector.container import login_configurations
from connector.container.configuration.placing import placed
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.handlers import plan_applications
from connector.container.login_options import mistakes_in_options
from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.realms import open_realms
from connector.errors import ConfigError
from connector.security.audit import MemoryAuditLog
from connector.spi import IdentityService, SystemClock


def check_as_a_start_would(
    configuration: ContainerConfiguration, catalogue: PluginCatalogue, identity: IdentityService | None = None
) -> None:
    """Check what a start would find; starts nothing. Blocks for the registry and for imports.

    Args:
        configuration: Loaded, so that its shape is right.
        catalogue: The plugins that it was loaded with.
        identity: Who is who; without it the configured registries are opened.

    Raises:
        ConfigError: Mistakes, with file and line where a section of an adapter's is wrong.
        ConnectorError: A resource that an adapter refuses.
        DeploymentError: An application can't be deployed.
        PluginError: A plugin that is needed can't be loaded.
    """
    mistakes = mistakes_in_options(login_configurations.build(configuration.login, catalogue), configuration.login)
    if mistakes:
        raise placed(ConfigError.of(mistakes), configuration)
    with ExitStack() as stack:  # what is opened to be asked is let go of again
        if identity is None:
            realms = open_realms(configuration, catalogue, MemoryAuditLog(), SystemClock(), stack)
            identity = realms[configuration.container.realm]
        for name, sections in configuration.sections.items():
            try:
                catalogue.load("connector.adapters", name)().check_sections(sections, identity)
            except ConfigError as error:
                raise placed(error, configuration) from None
    _check_resources(configuration, catalogue)
    plan_applications(configuration)


def _check_resources(configuration: ContainerConfiguration, catalogue: PluginCatalogue) -> None:
    """What resources need of their adapters' sections: a bus that is gone, for example."""
    for name, resource in configuration.resources.items():
        adapter = catalogue.load("connector.adapters", resource.adapter)()
        adapter.check_resource(name, resource.properties, configuration.sections.get(resource.adapter, {}))
