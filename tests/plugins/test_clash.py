"""Another distribution brings an import package `connector` as well."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest

from connector.container.plugins.clash import check_import_name
from connector.errors import PluginError


def installed(folder: Path, name: str, **lists: str) -> Sequence[Distribution]:
    """A distribution as an installer leaves it, with what it says of its files."""
    info = folder / f"{name.replace('-', '_')}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    for file, text in lists.items():
        (info / {"record": "RECORD", "top_level": "top_level.txt"}[file]).write_text(text)
    return list(distributions(path=[str(folder)]))


@pytest.mark.parametrize(
    "lists",
    [
        {"record": "a/__init__.py,,\nconnector/__init__.py,sha256=x,10\n"},
        {"record": "connector.py,sha256=x,10\n"},
        {"top_level": "other\nconnector\n"},
    ],
)
def test_another_distribution_with_our_import_name_is_named(tmp_path: Path, lists: dict[str, str]) -> None:
    installed(tmp_path, "connector-framework", record="connector/__init__.py,,\n")
    with pytest.raises(PluginError, match="connector-sdk") as caught:
        check_import_name(installed(tmp_path, "connector-sdk", **lists))
    assert caught.value.code == "CF-PLUG-020"
    assert "Uninstall connector-sdk" in caught.value.action


def test_an_editable_install_of_ours_beside_another_is_a_clash_as_well(tmp_path: Path) -> None:
    installed(tmp_path, "connector-framework", record="_editable_impl_connector_framework.pth,,\n")
    with pytest.raises(PluginError):
        check_import_name(installed(tmp_path, "connector-sdk", record="connector/__init__.py,,\n"))


@pytest.mark.parametrize(
    "lists",
    [
        {},
        {"record": "connectors/__init__.py,,\nother/connector/__init__.py,,\nbin/connector,,\n"},
        {"top_level": "connector_other\nother_connector\n"},
    ],
)
def test_names_that_are_only_like_ours_are_fine(tmp_path: Path, lists: dict[str, str]) -> None:
    check_import_name(installed(tmp_path, "other", **lists))


def test_this_very_environment_is_fine() -> None:
    check_import_name()
