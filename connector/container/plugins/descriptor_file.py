"""Finding and reading an adapter's `ra.toml` without importing the adapter (architecture rule 6)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path

from connector.container.configuration.adapter_properties import default_fits
from connector.container.configuration.document import read_document
from connector.container.configuration.origins import Origins, Place
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.shape import shaped
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.plugins.descriptor_shape import DescriptorFile
from connector.errors import PluginError, Problem, Reason
from connector.spi import ConfigProperty

DESCRIPTOR_MISSING = Reason(
    "CF-PLUG-010",
    "no ra.toml beside the module {module!r}",
    "Put one into the adapter's package, and into its wheel.",
)
DESCRIPTOR_WRONG = Reason("CF-PLUG-011", "ra.toml is wrong: {problems}", "Correct it; docs/design.md has the format.")

FILE_NAME = "ra.toml"


def locate_descriptor(module: str) -> Path:
    """The `ra.toml` beside a module, or in the nearest package above it. Imports nothing. Blocks for the disk.

    Only the top-level package is looked for by the import system: for anything below, that would import its parents.

    Raises:
        PluginError: There is none.
    """
    top, *inner = module.split(".")
    for root in _folders(top):
        for depth in range(len(inner), -1, -1):
            file = root.joinpath(*inner[:depth], FILE_NAME)
            if file.is_file():
                return file
    raise PluginError(DESCRIPTOR_MISSING, module=module)


def _folders(top: str) -> list[Path]:
    try:
        spec: ModuleSpec | None = find_spec(top)
    except (ImportError, ValueError):  # a finder of its own that fails, or a half-made module
        return []
    return [Path(folder) for folder in (spec.submodule_search_locations or ())] if spec else []


def read_descriptor(file: Path) -> AdapterDescriptor:
    """Read an `ra.toml`. Blocks for the disk.

    Raises:
        PluginError: It can't be read, or says something wrong; the text has all mistakes with their lines.
    """
    said, mistakes = _read(file)
    descriptor = None if said is None else said.descriptor()
    if descriptor is not None:
        for kind, declared in (
            ("connection_factory", descriptor.connection_factory),
            ("activation", descriptor.activation),
            ("destination", descriptor.destination),
            ("sections", descriptor.sections),
        ):
            mistakes += [f"{name}: its default is not what it declares" for name in _misfits(declared, kind)]
    if descriptor is None or mistakes:
        raise PluginError(DESCRIPTOR_WRONG, problems="; ".join(mistakes))
    return descriptor


def _read(file: Path) -> tuple[DescriptorFile | None, list[str]]:
    document = read_document(file)
    if isinstance(document, Problem):
        return None, [str(document)]
    origins = Origins(Place(FILE_NAME, None))
    problems = ProblemCollector(origins)
    said = shaped(DescriptorFile, document.data, (), problems).section
    if problems.problems:
        # Once more, with the lines, which are looked up only where there is something to tell.
        origins.record_all((path, Place(FILE_NAME, line)) for path, line in document.lines.items())
        problems = ProblemCollector(origins)
        said = shaped(DescriptorFile, document.data, (), problems).section
    return said, [str(problem) for problem in problems.problems]


def _misfits(declared: Mapping[str, ConfigProperty], path: str) -> Iterator[str]:
    for name, prop in declared.items():
        if not default_fits(prop):
            yield f"{path}.{name}"
        yield from _misfits(prop.properties, f"{path}.{name}")
