"""The author's path: an adapter of another distribution, installed from wheels only, listed and certified."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "examples" / "connector-echo"
_CLEAN = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "COVERAGE"))}


def run(*command: str | Path, cwd: Path) -> str:
    """Run a program outside of the repository, without what our own environment tells Python; answers its output."""
    done = subprocess.run(list(map(str, command)), cwd=cwd, env=_CLEAN, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment with both wheels and pytest; nothing of it comes from the checkout."""
    folder = tmp_path_factory.mktemp("third-party")
    for source in (ROOT, ECHO):
        run(sys.executable, "-m", "build", "--wheel", "--outdir", folder / "wheels", source, cwd=folder)
    venv.create(folder / "clean", with_pip=True)
    pip = (folder / "clean/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
    run(*pip, *sorted((folder / "wheels").glob("*.whl")), "pytest>=8.3", cwd=folder)
    return folder


@pytest.mark.slow
def test_the_adapter_is_listed_with_what_it_provides(environment: Path) -> None:
    listed = json.loads(run(environment / "clean/bin/connector", "plugins", "--json", cwd=environment))
    (echo,) = [plugin for plugin in listed if (plugin["group"], plugin["name"]) == ("connector.adapters", "echo")]
    assert (echo["distribution"], echo["version"], echo["state"]) == ("connector-echo", "1.0.0", "available")
    assert set(echo["provides"]) == {"async", "identity-switch", "reauthentication", "validation"}


@pytest.mark.slow
def test_the_kit_certifies_it_from_the_wheels(environment: Path) -> None:
    report = environment / "report.json"
    adapter = "--connector-adapter=connector_echo.conformance:EchoBackend"
    pytest_ = (environment / "clean/bin/pytest", "-q", "--pyargs", "connector.testing.kit")
    run(*pytest_, adapter, f"--connector-report={report}", cwd=environment)
    (subject,) = json.loads(report.read_text())["subjects"]
    assert (subject["name"], subject["version"]) == ("echo", "1.0.0")
    assert {profile["verdict"] for profile in subject["profiles"].values()} == {"PASS"}


@pytest.mark.slow
def test_its_own_tests_pass_there_too(environment: Path) -> None:
    tests = environment / "tests"
    tests.mkdir()
    (tests / "test_conformance.py").write_text((ECHO / "tests" / "test_conformance.py").read_text())
    assert "passed" in run(environment / "clean/bin/pytest", "-q", "-W", "error", tests, cwd=environment)


@pytest.mark.slow
def test_it_is_typed_and_knows_the_framework_by_its_contracts_only(environment: Path) -> None:
    code = (
        "import connector_echo, pathlib, sys; folder = pathlib.Path(connector_echo.__file__).parent;"
        "assert (folder / 'py.typed').exists() and (folder / 'ra.toml').exists();"
        "rooms = {name.split('.')[1] for name in sys.modules if name.startswith('connector.')};"
        "assert rooms == {'spi', 'errors'}, rooms"
    )
    run(environment / "clean/bin/python", "-I", "-c", code, cwd=environment)
