"""Installed distributions for tests: real `.dist-info` folders, so that the real discovery reads them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib.metadata import EntryPoint, distributions
from pathlib import Path
from textwrap import dedent


def install(
    site: Path,
    distribution: str,
    entry_points: Mapping[str, Mapping[str, str]],
    files: Mapping[str, str] | None = None,
    version: str = "1.0",
) -> None:
    """Put a distribution into a site folder: its metadata, entry points by group, and files."""
    info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    lines = []
    for group, entries in entry_points.items():
        lines += [f"[{group}]", *(f"{name} = {value}" for name, value in entries.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    for path, text in (files or {}).items():
        file = site / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dedent(text))


def entry_points_of(*sites: Path) -> Iterable[EntryPoint]:
    """All entry points of the distributions in some site folders."""
    return [entry for found in distributions(path=[str(site) for site in sites]) for entry in found.entry_points]


#: The class of a working adapter.
ADAPTER_CLASS = """
    from connector.spi import ResourceAdapter

    class Adapter(ResourceAdapter):
        def start(self, context):
            pass

        def stop(self):
            pass
"""


def ra_toml(name: str, *, spi: str = "1", more: str = "") -> str:
    """A descriptor with the least that is needed, and more."""
    return f'[adapter]\nname = "{name}"\nspi = "{spi}"\n{dedent(more)}'
