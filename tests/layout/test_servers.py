"""What `make test` installs beyond wheels: once, and never a hindrance."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import support_gss_postgresql
import support_kerberos
import support_slapd
from support_mariadb import missing_part
from support_servers import missing

ROOT = Path(__file__).parents[2]
INSTALL = ROOT / "tests/servers/install"
#: A plugin of pytest: an interpreter without the package.
HIDING = """
import importlib.util

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name == "proton" else find(name, package)
"""


def install(python: str, stamp: Path, path: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(INSTALL), python, str(stamp)], env={"PATH": path}, capture_output=True, text=True, check=False
    )


@pytest.fixture
def bare_path(tmp_path: Path) -> str:
    """A PATH with what the script itself calls, and nothing that installs."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("bash", "dirname", "id", "touch"):
        found = shutil.which(name)
        assert found is not None
        (folder / name).symlink_to(found)
    return str(folder)


def test_where_nothing_can_be_installed_that_is_said_in_one_line_each_and_tests_go_on(
    tmp_path: Path, bare_path: str
) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")  # has no driver, and can build none
    python.chmod(0o755)

    done = install(str(python), tmp_path / "stamp", bare_path)

    assert done.returncode == 0, done.stderr
    said = [line.partition(" can't run here: ")[0] for line in done.stdout.splitlines()]
    said = [each for each in said if each != "tests on RabbitMQ"]  # it is not looked for on the PATH
    assert said == [
        "tests on the keyring",
        "tests on directories",
        "tests on Kerberos",
        "tests on MariaDB",
        "tests on the wire",
        "tests on the C++ client",
        "tests on the JavaScript client",
        "tests on the JMS client",
        "tests on the Go client",
    ]
    assert done.stderr == ""
    assert not (tmp_path / "stamp").exists()


@pytest.mark.mariadb
def test_where_everything_is_there_nothing_is_said_and_it_is_not_asked_again(tmp_path: Path, bare_path: str) -> None:
    lacking = missing_part() or support_slapd.missing_part()
    lacking = lacking or support_kerberos.missing_part() or support_gss_postgresql.missing_part()
    lacking = lacking or (None if shutil.which("gnome-keyring-daemon") else "gnome-keyring")
    lacking = lacking or (None if (Path(sys.prefix) / "interop/jms").exists() else "clients of the wire")
    if lacking is not None:
        missing(lacking)

    # Packages of other languages are kept beside the stamp: those that are here, else each run would fetch them anew.
    (tmp_path / "interop").symlink_to(Path(sys.prefix) / "interop")

    done = install(sys.executable, tmp_path / "stamp", os.pathsep.join((bare_path, "/usr/bin")))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "stamp").exists()


@pytest.mark.parametrize(
    ("environ", "code", "counts"), [({}, 0, "1 passed, 1 skipped"), ({"CI": "true"}, 2, "1 error")]
)
def test_a_module_that_can_t_even_import_without_a_package_is_skipped_and_in_ci_an_error(
    tmp_path: Path, environ: dict[str, str], code: int, counts: str
) -> None:
    shutil.copy(ROOT / "tests/wire/test_clients.py", tmp_path)
    (tmp_path / "test_beside.py").write_text("def test_it(): pass\n")
    (tmp_path / "hide_proton.py").write_text(HIDING)
    told = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "COVERAGE", "CI"))}
    options = [
        "-q",
        "-p",
        "hide_proton",
        "-p",
        "no:cacheprovider",
        "-p",
        "no:randomly",
        "-rsE",
        f"-c{ROOT}/pyproject.toml",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, str(tmp_path)],
        cwd=tmp_path,
        env={**told, **environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, counts in done.stdout.splitlines()[-1]) == (code, True), done.stdout + done.stderr
    assert "the package python-qpid-proton, extra amqp (tests/servers/install)" in done.stdout
