"""Loading: from the file and its sources to one checked configuration, or one error with all mistakes (CONF-1)."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.application_checks import ApplicationChecker
from connector.container.configuration.document import Document, read_document
from connector.container.configuration.layers import read_layers
from connector.container.configuration.login_checks import check_login
from connector.container.configuration.model import PluginsSection
from connector.container.configuration.naming_section import check_naming
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.resource_checks import (
    check_nobodys_sections,
    check_resources,
    check_sections,
    resource_kinds,
    section_owners,
)
from connector.container.configuration.secret_sources import check_urls
from connector.container.configuration.security_checks import (
    check_admin,
    check_admin_port,
    check_auth_data,
    check_container,
    check_realms,
)
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.configuration.shape import shaped, table_of_tables
from connector.container.configuration.tls_section import check_tls
from connector.container.configuration.work_section import check_work
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import ConfigError, Problem


def load_configuration(
    path: str | os.PathLike[str],
    *,
    catalogue: PluginCatalogue,
    overrides: Mapping[str, Any] | None = None,
    environ: Mapping[str, str] | None = None,
    read: Callable[[Path], Document | Problem] = read_document,
) -> ContainerConfiguration:
    """Load a container's configuration. Starts and imports nothing; blocks for the disk.

    Explicit overrides win over `CONNECTOR__…` variables, these over the file, the file over the applications'
    descriptors, and those over defaults. Relative paths start from the file that says them; those of overrides and
    variables from the main file's folder.

    Args:
        path: The main file, `connector.toml`.
        catalogue: The plugins; what `[plugins]` allows and denies is applied to it.
        overrides: Settings that win over everything, as a nested table of the file's shape.
        environ: The environment; by default the process's own.
        read: Reads one file; an edit that is tried out gives a file's next text here.

    Raises:
        ConfigError: With all mistakes, each with file, line, key path, what was found and what is allowed.
        PluginError: `[plugins] strict` is on and a plugin can't be used.
    """
    file = Path(path)
    environ = os.environ if environ is None else environ
    layers = read_layers(file, overrides or {}, environ, read)
    data, folder = layers.data, layers.folder
    problems = ProblemCollector(layers.origins)
    problems.extend(layers.problems)
    # First of all: a blocked plugin is as good as none for every check below.
    plugins = shaped(PluginsSection, data.get("plugins", {}), ("plugins",), problems).section or PluginsSection()
    catalogue.restrict(plugins.allow, plugins.deny, strict=plugins.strict)

    checker = PropertyChecker(folder, environ, problems)
    container = check_container(data, folder, problems)
    realms = check_realms(data, catalogue, checker)
    auth_data = check_auth_data(data, catalogue, checker)
    admin = check_admin(data, problems)
    tls = check_tls(data, checker)
    admin_port = check_admin_port(data, tls, problems, security=container is None or container.security)
    naming_port, naming_provider = check_naming(data, tls, problems, security=container is None or container.security)
    login = check_login(data, catalogue, checker, realm=None if container is None else container.realm)
    resources = check_resources(data, catalogue, checker)
    work = check_work(data, catalogue, problems)
    of_adapters, of_plugins = section_owners(catalogue)
    sections = check_sections(data, of_adapters, checker)
    plugin_sections = check_sections(data, of_plugins, checker)
    check_nobodys_sections(data, catalogue, problems)
    # Names, not checked objects: a reference to something that is wrong elsewhere is not wrong itself.
    logins = frozenset(table_of_tables(data, "login", problems))
    applications = ApplicationChecker(
        folder,
        resource_kinds(data),
        logins,
        catalogue,
        problems,
        frozenset(table_of_tables(data, "realms", problems)),
        "" if container is None else container.realm,
    ).check(data)
    check_urls(data, (), problems)
    if problems.problems or container is None:
        raise ConfigError.of(problems.problems)
    return ContainerConfiguration(
        path=file.absolute(),
        container=container,
        realms=realms,
        auth_data=auth_data,
        login=login,
        resources=resources,
        applications=applications,
        admin=admin,
        admin_port=admin_port,
        naming_port=naming_port,
        naming_provider=naming_provider,
        plugins=plugins,
        tls=tls,
        work=work,
        sections=sections,
        plugin_sections=plugin_sections,
        warnings=problems.warnings,
        origins=layers.origins,
        said=data,
    )
