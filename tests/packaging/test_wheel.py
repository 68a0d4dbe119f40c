"""The built wheel: complete, and its core works without any adapter, in a clean environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
_PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
PACKAGES = _PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
ARTEFACTS = [Path(package).name for package in PACKAGES if package != "connector"]

CORE = """
import connector, connector.spi, pathlib, tempfile
from connector import Container, Secret
from connector.security.vault_key import generate_key
from connector.security.file_registry import FileUserRegistry
folder = pathlib.Path(tempfile.mkdtemp())
(folder / "connector.toml").write_text('''
[container]
name = "bare"
[realms.bare]
registry = "file"
path = "users.toml"
''')
FileUserRegistry("bare", folder / "users.toml").add_user("alice", Secret("a password"))
with Container.open(folder / "connector.toml") as container, container.login("alice", "a password"):
    assert str(container.current_subject().caller) == "alice@bare"
print("core:", connector.__version__)
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the tree in an isolated environment as an installer would."""
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(build, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_has_every_package_with_its_type_marker_and_declaration(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for package in ("connector", *ARTEFACTS):
        assert f"{package}/__init__.py" in names
        assert f"{package}/py.typed" in names
    declared = {"connector_sql/ra.toml", "connector_bus/ra.toml"}
    plugins = {f"connector_{plugin}/plugin.toml" for plugin in ("metrics", "keyring", "sqlstore")}
    assert declared | plugins <= names
    mappers = {"default", "trusted", "onetoone", "configured", "kerberos", "platform"}
    assert {f"connector_{name}/mapper.toml" for name in mappers} <= names


def test_every_top_level_name_in_the_wheel_is_ours(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert all(top.startswith("connector") for top in tops)
    assert not {"adapters", "mappers", "plugins", "tests", "examples"} & tops


@pytest.mark.slow
def test_the_core_works_in_a_clean_environment_without_any_adapter(wheel: Path, tmp_path: Path) -> None:
    stripped = tmp_path / wheel.name
    with zipfile.ZipFile(wheel) as full, zipfile.ZipFile(stripped, "w") as without:
        for item in full.infolist():
            top = item.filename.partition("/")[0]
            if top in ARTEFACTS:
                continue
            data = full.read(item)
            if item.filename.endswith(".dist-info/RECORD"):
                lines = data.decode().splitlines(keepends=True)
                data = "".join(line for line in lines if not line.startswith(tuple(ARTEFACTS))).encode()
            without.writestr(item, data)
    environment = tmp_path / "clean"
    venv.create(environment, with_pip=True)
    python = str(environment / "bin" / "python")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COVERAGE"))}
    install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", str(stripped)]
    done = subprocess.run(install, capture_output=True, text=True, env=clean, check=False)
    assert done.returncode == 0, done.stderr
    core = [python, "-I", "-c", CORE]
    ran = subprocess.run(core, capture_output=True, text=True, env=clean, cwd=tmp_path, check=False)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.startswith("core:")
    # The entry points of the adapters are still declared, their packages are gone: named, and nothing else suffers.
    command = [str(environment / "bin" / "connector"), "plugins", "--json"]
    listed = subprocess.run(command, capture_output=True, text=True, env=clean, cwd=tmp_path, check=False)
    states = {(p["group"], p["name"]): p["state"] for p in json.loads(listed.stdout)}
    assert states[("connector.adapters", "sql")] == "failed"
    assert states[("connector.stores", "file")] == "available"
