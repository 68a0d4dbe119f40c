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
    assert said == [
        "tests on the keyring",
        "tests on directories",
        "tests on Kerberos",
        "tests on MariaDB",
        "tests on the wire",
    ]
    assert done.stderr == ""
    assert not (tmp_path / "stamp").exists()


@pytest.mark.mariadb
def test_where_everything_is_there_nothing_is_said_and_it_is_not_asked_again(tmp_path: Path, bare_path: str) -> None:
    lacking = missing_part() or support_slapd.missing_part()
    lacking = lacking or support_kerberos.missing_part() or support_gss_postgresql.missing_part()
    lacking = lacking or (None if shutil.which("gnome-keyring-daemon") else "gnome-keyring")
    if lacking is not None:
        missing(lacking)

    done = install(sys.executable, tmp_path / "stamp", os.pathsep.join((bare_path, "/usr/bin")))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (tmp_path / "stamp").exists()
