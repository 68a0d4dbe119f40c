"""Finding and reading `ra.toml`, `plugin.toml` and `mapper.toml`, importing nothing (architecture rule 6).

A file is read whenever somebody asks, but what the same text says is worked out once in a process: it means the same
each time, and descriptors are immutable.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import TypeVar

from connector.container.configuration.adapter_properties import default_fits
from connector.container.configuration.document import parse_document, read_text
from connector.container.configuration.origins import Origins, Place
from connector.container.configuration.problems import ProblemCollector
from connector.container.configuration.sections import Section
from connector.container.configuration.shape import shaped
from connector.container.plugins.descriptor import AdapterDescriptor
from connector.container.plugins.descriptor_shape import DescriptorFile
from connector.container.plugins.mapper_file import MapperDescriptor, MapperFile
from connector.container.plugins.plugin_file import PluginDescriptor, PluginFile
from connector.errors import PluginError, Problem, Reason
from connector.spi import ConfigProperty

DESCRIPTOR_MISSING = Reason(
    "CF-PLUG-010",
    "no ra.toml beside the module {module!r}",
    "Put one into the adapter's package, and into its wheel.",
)
DESCRIPTOR_WRONG = Reason("CF-PLUG-011", "{file} is wrong: {problems}", "Correct it; docs/design.md has the format.")

FILE_NAME = "ra.toml"

#: How many files' worth of descriptors are kept; more than anybody has installed.
_KEPT = 256

S = TypeVar("S", bound=Section)


def locate_descriptor(module: str) -> Path:
    """An adapter's `ra.toml`; see `located`. Raises PluginError (CF-PLUG-010): There is none."""
    file = located(module, FILE_NAME)
    if file is None:
        raise PluginError(DESCRIPTOR_MISSING, module=module)
    return file


def located(module: str, name: str) -> Path | None:
    """The file of that name beside a module, or in the nearest package above it; None where there is none.

    Imports nothing: only the top-level package is looked for by the import system, which for anything below would
    import its parents. Blocks for the disk.
    """
    top, *inner = module.split(".")
    for root in _folders(top):
        for depth in range(len(inner), -1, -1):
            file = root.joinpath(*inner[:depth], name)
            if file.is_file():
                return file
    return None


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
    return _adapter(file, _text(file))


@lru_cache(_KEPT)
def _adapter(file: Path, text: str) -> AdapterDescriptor:
    said, mistakes = _read(file, text, DescriptorFile)
    descriptor = None if said is None else said.descriptor()
    if descriptor is not None:
        for kind, declared in (
            ("connection_factory", descriptor.connection_factory),
            ("activation", descriptor.activation),
            ("destination", descriptor.destination),
            ("sections", descriptor.sections),
        ):
            mistakes += _wrong_defaults(declared, kind)
    if descriptor is None or mistakes:
        raise _wrong(file, mistakes)
    return descriptor


def read_plugin_descriptor(file: Path) -> PluginDescriptor:
    """Read a `plugin.toml`. Blocks for the disk. Raises PluginError like `read_descriptor`."""
    return _plugin(file, _text(file))


@lru_cache(_KEPT)
def _plugin(file: Path, text: str) -> PluginDescriptor:
    said, mistakes = _read(file, text, PluginFile)
    descriptor = None if said is None else said.descriptor()
    if descriptor is not None:
        mistakes += _wrong_defaults(descriptor.sections, "sections")
    if descriptor is None or mistakes:
        raise _wrong(file, mistakes)
    return descriptor


def read_mapper_descriptor(file: Path, name: str) -> MapperDescriptor | None:
    """What a `mapper.toml` says of one module; None where it doesn't name it.

    Blocks and raises like `read_descriptor`.
    """
    return _mapper(file, _text(file), name)


@lru_cache(_KEPT)
def _mapper(file: Path, text: str, name: str) -> MapperDescriptor | None:
    said, mistakes = _read(file, text, MapperFile)
    descriptor = None if said is None else said.descriptor(name)
    if descriptor is not None:
        mistakes += _wrong_defaults(descriptor.options, "options")
    if mistakes:
        raise _wrong(file, mistakes)
    return descriptor


def _wrong(file: Path, mistakes: list[str]) -> PluginError:
    return PluginError(DESCRIPTOR_WRONG, file=file.name, problems="; ".join(mistakes))


def _text(file: Path) -> str:
    text = read_text(file)
    if isinstance(text, Problem):
        raise _wrong(file, [str(text)])
    return text


def _read(file: Path, text: str, model: type[S]) -> tuple[S | None, list[str]]:
    document = parse_document(text, str(file), file.absolute().parent)
    if isinstance(document, Problem):
        return None, [str(document)]
    origins = Origins(Place(file.name, None))
    problems = ProblemCollector(origins)
    said = shaped(model, document.data, (), problems).section
    if problems.problems:
        # Once more, with the lines, which are looked up only where there is something to tell.
        origins.record_all((path, Place(file.name, line)) for path, line in document.lines.items())
        problems = ProblemCollector(origins)
        said = shaped(model, document.data, (), problems).section
    return said, [str(problem) for problem in problems.problems]


def _wrong_defaults(declared: Mapping[str, ConfigProperty], kind: str) -> list[str]:
    return [f"{name}: its default is not what it declares" for name in _misfits(declared, kind)]


def _misfits(declared: Mapping[str, ConfigProperty], path: str) -> Iterator[str]:
    for name, prop in declared.items():
        if not default_fits(prop):
            yield f"{path}.{name}"
        yield from _misfits(prop.properties, f"{path}.{name}")
