"""A backend's properties and sections, checked against `ra.toml` as the container checks `connector.toml` (CONF-2)."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from connector.container.configuration.adapter_properties import PropertyChecker
from connector.container.configuration.origins import Origins, Place
from connector.container.configuration.problems import ProblemCollector
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.errors import ConfigError

_PLACE = Place("the kit's backend", None)


def checked_properties(descriptor: AdapterDescriptor, properties: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The properties of a connection factory with values converted and defaults filled in.

    Args:
        descriptor: What `ra.toml` declares.
        properties: As they would stand in `connector.toml`.
        folder: What relative paths start from.

    Raises ConfigError with all mistakes. Blocks for secrets in files.
    """
    problems = ProblemCollector(Origins(_PLACE))
    checker = PropertyChecker(folder, os.environ, problems)
    checked = checker.table(properties, descriptor.connection_factory, ("properties",))
    if problems.problems:
        raise ConfigError.of(problems.problems)
    return checked


def checked_activation(descriptor: AdapterDescriptor, properties: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The properties of an activation specification, likewise. Raises ConfigError."""
    problems = ProblemCollector(Origins(_PLACE))
    checked = PropertyChecker(folder, os.environ, problems).table(properties, descriptor.activation, ("properties",))
    if problems.problems:
        raise ConfigError.of(problems.problems)
    return checked


def checked_sections(descriptor: AdapterDescriptor, sections: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The sections that the adapter owns, likewise. Raises ConfigError."""
    problems = ProblemCollector(Origins(_PLACE))
    checked = PropertyChecker(folder, os.environ, problems).table(sections, descriptor.sections, ())
    if problems.problems:
        raise ConfigError.of(problems.problems)
    return checked
