"""A PostgreSQL that the system has installed, to measure against in place of the wheel's.

Versions differ in what a login costs: on one machine 5.8 ms with PostgreSQL 15, 4.7 ms with 18.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from signal import SIGQUIT
from types import TracebackType
from typing import Any, Self, final

#: The folder with the server's `bin`, for example /usr/lib/postgresql/15.
VARIABLE = "CONNECTOR_BENCH_POSTGRESQL"

_ADMIN = "bench_admin"
_PATIENCE_SECONDS = 30.0


@final
class InstalledPostgreSQL:
    """One throw-away server, as a context manager, on a Unix socket's folder of its own and on loopback.

    Args:
        programs: The folder with its `bin`.

    Attributes:
        host, port: Where it listens.

    Started as root, it runs as the user `postgres`. Raises CalledProcessError on entry, RuntimeError where it doesn't
    answer. Blocks for some seconds.
    """

    host = "127.0.0.1"

    def __init__(self, programs: Path) -> None:
        self._bin = programs / "bin"
        self._password = secrets.token_urlsafe(18)
        # The mutable state, set on entry:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="connector-bench-", dir="/tmp"))
        try:
            self._start(self._folder)
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def _end(self) -> None:
        if self._process is not None:
            self._process.send_signal(SIGQUIT)
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, folder: Path) -> None:
        who: dict[str, Any] = {"cwd": folder, "env": {"PATH": os.environ["PATH"], "LC_ALL": "C"}}
        password = folder / "password"
        password.touch(mode=0o600)
        password.write_text(self._password)
        if os.geteuid() == 0:
            account = pwd.getpwnam("postgres")
            who |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}
            for each in (folder, password):
                os.chown(each, account.pw_uid, account.pw_gid)
        self.port = _free_port()
        data = folder / "data"
        options = ["-U", _ADMIN, "-A", "scram-sha-256", f"--pwfile={password}", "-E", "UTF8", "--locale=C", "--no-sync"]
        subprocess.run([self._bin / "initdb", "-D", data, *options], check=True, stdout=subprocess.DEVNULL, **who)
        settings = {"listen_addresses": self.host, "port": self.port, "unix_socket_directories": folder, "fsync": "off"}
        told = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen([self._bin / "postgres", "-D", data, *told], stderr=subprocess.DEVNULL, **who)
        self._wait(self._process)

    def run_sql(self, sql: str) -> None:
        """Run statements as the superuser, each committed by itself."""
        import psycopg

        with psycopg.connect(
            host=self.host, port=self.port, dbname="postgres", user=_ADMIN, password=self._password, autocommit=True
        ) as connection:
            connection.execute(sql.encode())

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        import psycopg

        until = time.monotonic() + _PATIENCE_SECONDS
        while True:
            try:
                self.run_sql("SELECT 1")
            except psycopg.OperationalError as error:
                if time.monotonic() > until or process.poll() is not None:
                    raise RuntimeError(f"the PostgreSQL in {self._bin} doesn't answer") from error
                time.sleep(0.1)
            else:
                return


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind((InstalledPostgreSQL.host, 0))
        return int(found.getsockname()[1])
