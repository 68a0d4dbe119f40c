"""A package's `mapper.toml`: the options of its mapping modules, known without importing them (SIGN-4)."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support_plugins import entry_points_of, install

from connector.container.plugins.catalogue import PluginCatalogue
from connector.container.plugins.info import PluginInfo, PluginState

_GROUP = "connector.mappers"
_FILE = """
    spi = "1"
    [mappers.table]
    description = "By table."
    [mappers.table.options.file]
    type = "path"
    required = true
    [mappers.other]
"""


def discover(site: Path) -> PluginCatalogue:
    return PluginCatalogue.discover(entry_points=entry_points_of(site), environ={})


def installed(site: Path, file: str | None = _FILE, **names: str) -> PluginCatalogue:
    """A distribution that must not be imported, with a module `table` and others by name."""
    files = {"cf_maps/__init__.py": "raise RuntimeError('imported')"}
    if file is not None:
        files["cf_maps/mapper.toml"] = file
    install(site, "connector-maps", {_GROUP: {"table": "cf_maps.table:Table", **names}}, files)
    return discover(site)


def info(catalogue: PluginCatalogue, name: str = "table") -> PluginInfo:
    found = catalogue.info(_GROUP, name)
    assert found is not None
    return found


def test_one_file_describes_all_modules_of_its_package_and_imports_none(site: Path) -> None:
    catalogue = installed(site, other="cf_maps.other:Other", third="cf_maps.third:Third")

    assert sorted(catalogue.mappers) == ["other", "table"]
    table = catalogue.mappers["table"]
    assert (table.description, table.options["file"].type, table.options["file"].required) == (
        "By table.",
        "path",
        True,
    )
    assert catalogue.mappers["other"].options == {}
    assert info(catalogue, "third").usable  # not described: its options are its own business
    assert "cf_maps" not in sys.modules


def test_a_package_without_the_file_is_as_usable(site: Path) -> None:
    catalogue = installed(site, None)

    assert info(catalogue).usable
    assert catalogue.mappers == {}


@pytest.mark.parametrize(
    ("file", "state", "reason"),
    [
        ('spi = "2"\n[mappers.table]\n', PluginState.INCOMPATIBLE, "written for SPI 2"),
        ("[mappers.table]\n", PluginState.FAILED, "spi"),
        ('spi = "1"\n[mappers.table.options.a]\ntyp = "path"\n', PluginState.FAILED, "mapper.toml:3"),
        ('spi = "1"\n[mappers.table.options.a]\ntype = "integer"\ndefault = "x"\n', PluginState.FAILED, "options.a"),
        ("[mappers", PluginState.FAILED, "mapper.toml"),
    ],
)
def test_a_wrong_file_keeps_the_module_out_with_the_reason(
    site: Path, file: str, state: PluginState, reason: str
) -> None:
    found = info(installed(site, file))

    assert found.state is state
    assert reason in found.reason


def test_our_own_mapping_modules_are_described() -> None:
    described = PluginCatalogue.discover(environ={}).mappers

    assert {"default", "trusted", "one-to-one", "configured-identity"} <= set(described)
    assert described["default"].options == {}  # SIGN-3
