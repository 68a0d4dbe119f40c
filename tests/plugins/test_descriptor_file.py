from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support_plugins import install, ra_toml

from connector.container.plugins.descriptor_file import locate_descriptor, read_descriptor
from connector.errors import PluginError
from connector.spi import Capability, ConfigProperty

_FULL = """
    vendor = "v"
    version = "2.3"
    description = "d"
    capabilities = ["async", "matching"]
    mechanisms = ["BasicPassword", "Kerbv5"]
    [connection_factory.properties.url]
    required = true
    doc = "Where."
    [activation.properties.batch]
    type = "integer"
    default = 5
    minimum = 1
    unit = "messages"
    choices = [1, 5]
    [destination.properties.names]
    type = "list"
    items = { type = "string|table" }
    [sections.echoes]
    type = "table"
    [sections.echoes.properties."*"]
    type = "table"
    [sections.echoes.properties."*".properties.loud]
    type = "boolean"
    [commands.show]
    role = "monitor"
    doc = "Shows."
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "ra.toml"
    file.write_text(text)
    return file


def test_everything_that_is_declared_is_there(tmp_path: Path) -> None:
    said = read_descriptor(write(tmp_path, ra_toml("echo", spi="1-4", more=_FULL)))
    assert (said.name, said.vendor, said.version, said.spi, said.description) == ("echo", "v", "2.3", (1, 4), "d")
    assert said.capabilities == {Capability.ASYNC, Capability.MATCHING}
    assert said.mechanisms == ("BasicPassword", "Kerbv5")
    assert said.properties_of("connection-factory")["url"] == ConfigProperty("url", required=True, doc="Where.")
    batch = said.properties_of("activation")["batch"]
    assert (batch.default, batch.minimum, batch.unit, batch.choices) == (5, 1, "messages", (1, 5))
    items = said.properties_of("destination")["names"].items
    assert items is not None
    assert items.type == "string|table"
    assert said.sections["echoes"].properties["*"].properties["loud"].type == "boolean"
    assert (said.commands["show"].role, said.commands["show"].doc) == ("monitor", "Shows.")


@pytest.mark.parametrize(
    ("version", "supported"), [("1", True), ("1-2", True), ("0-1", True), ("2", False), ("2-3", False), ("0", False)]
)
def test_the_spi_range_has_both_ends_in_it(tmp_path: Path, version: str, supported: bool) -> None:
    assert read_descriptor(write(tmp_path, ra_toml("x", spi=version))).supports(1) is supported


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "adapter"),
        ("[adapter]\nname = 'x'", "spi"),
        (ra_toml("x", spi="one"), "a range"),
        (ra_toml("x", spi="3-2"), "a range"),
        (ra_toml("x", more="capabilites = []"), "Did you mean 'capabilities'?"),
        (ra_toml("x", more="capabilities = ['flying']"), "identity-switch"),
        (ra_toml("x", more="[connection_factory.properties.p]\ntype = 'string|colour'"), "duration"),
        (ra_toml("x", more="[connection_factory.properties.p]\nrequried = true"), "'required'?"),
        (ra_toml("x", more="[sections.s.properties.p.properties.q]\ntyp = 'x'"), "ra.toml:5"),
        (ra_toml("x", more="[activation.properties.p]\ntype = 'integer'\ndefault = '1'"), "activation.p"),
        (ra_toml("x", more="[sections.s.properties.p]\nchoices = ['a']\ndefault = 'b'"), "sections.s.p"),
        (ra_toml("x", more="[commands.c]\nrole = 'king'"), "administrator"),
        ("[adapter", "not TOML"),
    ],
)
def test_a_wrong_descriptor_is_refused_with_place_and_what_is_allowed(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(PluginError) as caught:
        read_descriptor(write(tmp_path, text))
    assert caught.value.code == "CF-PLUG-011"
    assert says in str(caught.value)


def test_the_descriptor_beside_the_module_wins_over_one_further_up(site: Path) -> None:
    package = "cf_descriptor_deep"
    install(
        site,
        "deep",
        {},
        {
            f"{package}/__init__.py": "raise RuntimeError('imported')",
            f"{package}/ra.toml": "",
            f"{package}/inner/__init__.py": "raise RuntimeError('imported')",
            f"{package}/inner/ra.toml": "",
            f"{package}/inner/main.py": "",
            f"{package}/other/main.py": "",
        },
    )
    assert locate_descriptor(package) == site / package / "ra.toml"
    assert locate_descriptor(f"{package}.inner") == site / package / "inner" / "ra.toml"
    assert locate_descriptor(f"{package}.inner.main") == site / package / "inner" / "ra.toml"
    assert locate_descriptor(f"{package}.other.main") == site / package / "ra.toml"
    assert package not in sys.modules


@pytest.mark.parametrize("module", ["cf_no_such_package", "sys", "json.decoder", "cf_no_such_package.inner"])
def test_a_module_without_descriptor_is_refused(module: str) -> None:
    with pytest.raises(PluginError) as caught:
        locate_descriptor(module)
    assert caught.value.code == "CF-PLUG-010"
    assert module in str(caught.value)
