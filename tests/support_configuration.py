"""A catalogue with two declared adapters and the built-in mappers, and loading of texts, for configuration tests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from support_plugins import entry_points_of, install, ra_toml

from connector.container.configuration.load import load_configuration
from connector.container.configuration.settings import ContainerConfiguration
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import ConfigError, Problem

_DATABASE = """
    capabilities = ["validation"]
    mechanisms = ["BasicPassword"]
    [connection_factory.properties.url]
    required = true
    doc = "Where the database is."
    [connection_factory.properties.user]
    [connection_factory.properties.password]
    type = "secret"
    [connection_factory.properties.statement_timeout]
    type = "duration"
    default = "30s"
    minimum = 1
    unit = "seconds"
    [connection_factory.properties.isolation]
    choices = ["serializable", "read committed"]
"""
_POST = """
    capabilities = ["inbound"]
    [connection_factory.properties.office]
    [activation.properties.queue]
    required = true
    [destination.properties.name]
    [sections.offices]
    type = "table"
    [sections.offices.properties."*"]
    type = "table"
    [sections.offices.properties."*".properties.open]
    type = "boolean"
    default = true
"""

_GAUGE = """
    [plugin]
    name = "gauge"
    spi = "1"
    [sections.gauge]
    type = "table"
    [sections.gauge.properties.interval]
    type = "duration"
    default = "15s"
"""

#: The least that a container needs.
MINIMAL = """
[container]
name = "test"
[realms.home]
path = "users.toml"
"""


def make_catalogue(site: Path) -> PluginCatalogue:
    """Adapters `database` and `post` (described, not importable), a broken one, and the built-in mappers."""
    install(
        site,
        "connector-framework",
        {
            "connector.adapters": {
                "database": "cf_test_database:Adapter",
                "post": "cf_test_post:Adapter",
                "ancient": "cf_test_ancient:Adapter",
            },
            "connector.plugins": {"gauge": "cf_test_gauge:plugin"},
            "connector.mappers": {
                "default": "cf_test_mappers:Default",
                "trusted": "cf_test_mappers:Trusted",
                "table": "cf_test_mappers:Table",
            },
        },
        {
            "cf_test_database/__init__.py": "raise RuntimeError('checking a configuration must not import adapters')",
            "cf_test_database/ra.toml": ra_toml("database", more=_DATABASE),
            "cf_test_post/__init__.py": "raise RuntimeError('checking a configuration must not import adapters')",
            "cf_test_post/ra.toml": ra_toml("post", more=_POST),
            "cf_test_ancient/__init__.py": "",
            "cf_test_gauge/__init__.py": "raise RuntimeError('checking a configuration must not import plugins')",
            "cf_test_gauge/plugin.toml": _GAUGE,
        },
    )
    return PluginCatalogue.discover(entry_points=entry_points_of(site), environ={})


class Deployment:
    """A folder with configuration files, and the catalogue to load them with."""

    def __init__(self, folder: Path, catalogue: PluginCatalogue) -> None:
        self.folder = folder
        self.catalogue = catalogue

    def write(self, name: str, text: str) -> Path:
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text), "utf-8")
        return file

    def load(
        self, text: str, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> ContainerConfiguration:
        """Load a text as the main file, on top of the least that a container needs."""
        file = self.write("connector.toml", MINIMAL + dedent(text))
        return load_configuration(file, catalogue=self.catalogue, overrides=overrides, environ=environ or {})

    def problems(
        self, text: str, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> list[Problem]:
        """The mistakes that loading a text reports."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, environ=environ, overrides=overrides)
        assert caught.value.problems, "an error without its mistakes helps nobody"
        return list(caught.value.problems)

    def problem(
        self, text: str, *, environ: Mapping[str, str] | None = None, overrides: Mapping[str, Any] | None = None
    ) -> Problem:
        """The one mistake that loading a text reports."""
        problems = self.problems(text, environ=environ, overrides=overrides)
        assert len(problems) == 1, problems
        return problems[0]
