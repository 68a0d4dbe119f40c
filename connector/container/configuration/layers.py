"""All sources of a configuration, put over each other: descriptors < file < environment < explicit overrides."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from connector.container.configuration.document import Document, read_document
from connector.container.configuration.environment import EnvironmentLayer, environment_layer
from connector.container.configuration.key_paths import KeyPath
from connector.container.configuration.merge import merge
from connector.container.configuration.origins import ENVIRONMENT, OVERRIDES, Origins, Place
from connector.errors import ConfigError, Problem

APPLICATIONS = "applications"
DESCRIPTOR = "descriptor"
# The deployment's `unsecured` is the descriptor's `application.unsecured`.
_UNSECURED = "unsecured"


@dataclass(frozen=True, slots=True)
class Layers:
    """The merged sources.

    Attributes:
        data: What all of them say together; each application is a table with its descriptor's tables in it.
        origins: Who said what.
        folder: The absolute folder of the main file.
        problems: Unreadable descriptors, wrong variables.
    """

    data: Mapping[str, Any]
    origins: Origins
    folder: Path
    problems: tuple[Problem, ...]


def read_layers(
    path: Path,
    overrides: Mapping[str, Any],
    environ: Mapping[str, str],
    read: Callable[[Path], Document | Problem] = read_document,
) -> Layers:
    """Read the main file and the descriptors that it names, and merge. Blocks for the disk.

    Args:
        path: The main file.
        overrides: What wins over everything.
        environ: Where `CONNECTOR__…` variables are.
        read: Reads one file; an edit that is tried out gives a file's next text here.

    Raises:
        ConfigError: The main file can't be read or is no TOML. What is wrong elsewhere is answered with the rest.
    """
    main = read(path)
    if isinstance(main, Problem):
        raise ConfigError.of((main,))
    origins = Origins(Place(main.file, None))
    origins.record_all((key, Place(main.file, line)) for key, line in main.lines.items())
    deployed = _with_application_tables(main.data)
    explicit = _with_application_tables(overrides)
    # Which descriptors there are is asked of all layers; what the variables mean is asked again once they are read.
    variables = environment_layer(environ, deployed)
    early = merge(merge(deployed, _with_application_tables(variables.table)), explicit)
    problems: list[Problem] = []
    described: dict[str, Any] = {}
    for name, file in _descriptors(early):
        document = read(main.folder / file)
        if isinstance(document, Problem):
            problems.append(document)
            continue
        described[name] = document.data
        _record_descriptor(origins, name, document)
    if described:
        deployed = merge({APPLICATIONS: described}, deployed)
    environment = environment_layer(environ, deployed)
    data = merge(merge(deployed, _with_application_tables(environment.table)), explicit)
    _record_environment(origins, environment)
    for key in _leaves(explicit, ()):
        origins.record(key, Place(OVERRIDES, None))
    return Layers(_with_deployed_unsecured(data), origins, main.folder, (*problems, *environment.problems))


def _with_application_tables(data: Mapping[str, Any]) -> dict[str, Any]:
    """`orders = "orders.toml"` is short for `orders = { descriptor = "orders.toml" }`."""
    applications = data.get(APPLICATIONS)
    if not isinstance(applications, Mapping):
        return merge(data, {})
    tables = {n: {DESCRIPTOR: told} if isinstance(told, str) else told for n, told in applications.items()}
    return merge({**data, APPLICATIONS: {}}, {APPLICATIONS: tables})


def _descriptors(data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    applications = data.get(APPLICATIONS)
    for name, told in applications.items() if isinstance(applications, Mapping) else ():
        file = told.get(DESCRIPTOR) if isinstance(told, Mapping) else None
        if isinstance(file, str) and file:
            yield name, file


def _record_descriptor(origins: Origins, name: str, document: Document) -> None:
    """The descriptor's places, under those of the deployment, which wins (CONF-3)."""
    root: KeyPath = (APPLICATIONS, name)
    for key, line in document.lines.items():
        if not origins.has(root + key):
            origins.record_all([(root + key, Place(document.file, line, root=len(root)))])


def _record_environment(origins: Origins, layer: EnvironmentLayer) -> None:
    for key, variable in layer.variables.items():
        shorthand = len(key) == 2 and key[0] == APPLICATIONS
        origins.record((*key, DESCRIPTOR) if shorthand else key, Place(ENVIRONMENT, None, variable=variable))


def _leaves(table: Mapping[str, Any], path: KeyPath) -> Iterator[KeyPath]:
    for key, value in table.items():
        if isinstance(value, Mapping) and value:
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _with_deployed_unsecured(data: dict[str, Any]) -> dict[str, Any]:
    applications = data.get(APPLICATIONS)
    if not isinstance(applications, Mapping):
        return data
    for told in applications.values():
        if isinstance(told, dict) and _UNSECURED in told and isinstance(told.get("application", {}), dict):
            told["application"] = {**told.get("application", {}), _UNSECURED: told[_UNSECURED]}
    return data
