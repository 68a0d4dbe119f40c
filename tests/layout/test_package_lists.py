"""The lists of packages in pyproject.toml stay honest (architecture.md, rooms)."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
ARTEFACTS = sorted(
    folder.parent
    for kind in ("adapters", "mappers", "plugins")
    for folder in (ROOT / kind).glob("*/connector_*/__init__.py")
)
FOLDERS = [str(path.relative_to(ROOT)) for path in ARTEFACTS]


@pytest.mark.parametrize("kind", ["adapters", "mappers", "plugins"])
def test_an_artefact_folder_is_no_package(kind: str) -> None:
    assert not (ROOT / kind / "__init__.py").exists()
    assert not list((ROOT / kind).glob("*/__init__.py"))


def test_every_artefact_is_in_the_wheel_and_nothing_else() -> None:
    listed = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert sorted(listed) == sorted(["connector", *FOLDERS])


def test_every_artefact_is_known_to_the_type_checkers_and_the_linter() -> None:
    parents = {str(Path(folder).parent) for folder in FOLDERS}
    assert parents <= set(PROJECT["tool"]["mypy"]["mypy_path"].split(":"))
    assert parents <= set(PROJECT["tool"]["pyright"]["extraPaths"])
    names = {Path(folder).name for folder in FOLDERS}
    contracts = PROJECT["tool"]["importlinter"]
    assert names <= set(contracts["root_packages"])
    for contract in contracts["contracts"]:
        if contract["type"] == "independence":
            assert names == set(contract["modules"])


@pytest.mark.parametrize("folder", ["connector", *FOLDERS])
def test_every_package_is_typed(folder: str) -> None:
    assert (ROOT / folder / "py.typed").exists()


def test_every_adapter_declares_itself_in_ra_toml() -> None:
    for folder in FOLDERS:
        if folder.startswith("adapters/"):
            declared = tomllib.loads((ROOT / folder / "ra.toml").read_text())
            assert declared["adapter"]["name"] == Path(folder).parent.name


def test_every_top_level_name_starts_with_connector() -> None:
    assert all(Path(folder).name.startswith("connector_") for folder in FOLDERS)


def test_every_entry_point_can_be_imported() -> None:
    from importlib.metadata import entry_points

    ours = [
        e for group, of in PROJECT["project"]["entry-points"].items() for e in entry_points(group=group) if e.name in of
    ]
    assert len(ours) == sum(len(of) for of in PROJECT["project"]["entry-points"].values())
    for entry in ours:
        assert entry.load() is not None


def test_no_registry_address_or_lock_file_is_in_the_repository() -> None:
    assert not (ROOT / "uv.lock").exists()
    text = (ROOT / "pyproject.toml").read_text()
    assert "index-url" not in text
    assert "://" not in text
