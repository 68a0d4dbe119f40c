"""A throw-away MariaDB server for tests: Debian's programs in a folder of its own, no root, nothing left behind.

Connections are by TCP on loopback and by password only: root's account without one is gone before the server listens.
Data are not forced to the disk: never use it for data that matter.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any

#: Where Debian puts servers, which isn't on everybody's PATH.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
_PROGRAMS = ("mariadb-install-db", "mariadbd")
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_PORT_ATTEMPTS = 3
#: Speed over safety, for a server that lives for minutes.
_SETTINGS = (
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--skip-log-bin",
    "--skip-performance-schema",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-buffer-pool-size=16M",
    "--innodb-log-file-size=4M",
    "--key-buffer-size=1M",
    "--max-connections=60",
)


class MariaDBUnavailable(RuntimeError):
    """The server does not start."""


def missing_part() -> str | None:
    """What of it isn't installed, in words; None where everything is. Loads neither driver nor server."""
    for program in _PROGRAMS:
        if shutil.which(program, path=_PATH) is None:
            return f"MariaDB's program {program} (tests/servers/install)"
    if importlib.util.find_spec("MySQLdb") is None:
        return "the package mysqlclient, extra mariadb (tests/servers/install)"
    return None


class MariaDBServer:
    """One running server, as a context manager; about two seconds to start.

    Attributes:
        host: Where it listens: loopback.
        port: On which port: a free one.
        admin_user: Who may do everything, for setting things up.
        admin_password: That user's random password.

    Raises MariaDBUnavailable on entry. Not for use from several threads, except `run_sql`.
    """

    host = "127.0.0.1"
    admin_user = "maria_admin"

    def __init__(self) -> None:
        self.port = 0
        self.admin_password = secrets.token_urlsafe(18)
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> MariaDBServer:
        atexit.register(self.stop)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="connector-mariadb-", dir="/tmp"))
            self._start_on_a_free_port(self._folder)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once and remove its folder. Harmless when called twice; also runs when the interpreter exits."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()  # its data go as well: there is nothing to bring to the disk
            process.wait(_STOP_SECONDS)
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        atexit.unregister(self.stop)

    def run_sql(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL as the administrator; answers the last statement's rows.

        Args:
            sql: One or several statements, without parameters.
        """
        import MySQLdb  # here: who only asks whether a server can be had needs no driver

        connection = MySQLdb.connect(
            host=self.host, port=self.port, user=self.admin_user, passwd=self.admin_password, autocommit=True
        )
        try:
            cursor = connection.cursor()
            cursor.execute(sql)
            rows = cursor.fetchall() if cursor.description else ()
            while cursor.nextset() is not None:
                rows = cursor.fetchall() if cursor.description else ()
            return list(rows)
        finally:
            connection.close()

    def kill_connection(self, number: int) -> None:
        """End a client's connection, by the server's number for it, and wait until it is gone."""
        self.run_sql(f"KILL CONNECTION {number}")
        gone = f"SELECT SLEEP(0.002), NOT EXISTS (SELECT 1 FROM information_schema.processlist WHERE id = {number})"
        deadline = time.monotonic() + _STOP_SECONDS
        while not self.run_sql(gone)[0][1]:
            if time.monotonic() > deadline:
                raise TimeoutError(f"connection {number} is still there")

    def _start_on_a_free_port(self, folder: Path) -> None:
        # Another process may take the port between our look and the server's bind: then try another one.
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            home = folder / str(attempt)
            self.port = _free_port(self.host)
            try:
                self._make_data(home)
                self._start(home)
            except MariaDBUnavailable:
                if attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def _make_data(self, home: Path) -> None:
        """An empty database, and the first statements in a file that only the server's account reads."""
        home.mkdir(mode=0o700)
        first = home / "first.sql"
        first.touch(mode=0o600)
        # One statement a line, as the server reads it.
        first.write_text(
            f"CREATE USER {self.admin_user}@'127.0.0.1' IDENTIFIED BY '{self.admin_password}';\n"
            f"GRANT ALL ON *.* TO {self.admin_user}@'127.0.0.1' WITH GRANT OPTION;\n"
            "DELETE FROM mysql.global_priv WHERE User = 'root';\n"
            "FLUSH PRIVILEGES;\n"
        )
        account = _unprivileged_account()
        if account is not None:
            assert self._folder is not None
            self._folder.chmod(0o755)  # so that the account can pass
            for path in (home, first):
                os.chown(path, account.pw_uid, account.pw_gid)
        options = ("--auth-root-authentication-method=normal", "--skip-test-db", "--skip-name-resolve")
        made = subprocess.run(
            [_program("mariadb-install-db"), "--no-defaults", f"--datadir={home / 'data'}", *options],
            cwd=home,
            env=_environment(),
            capture_output=True,
            check=False,
            **_run_as(account),
        )
        if made.returncode != 0:
            raise MariaDBUnavailable(
                f"mariadb-install-db failed: {made.stderr.decode(errors='replace').strip()[-600:]}"
            )

    def _start(self, home: Path) -> None:
        log = home / "log"
        command = [
            _program("mariadbd"),
            "--no-defaults",
            f"--datadir={home / 'data'}",
            f"--port={self.port}",
            *_SETTINGS,
        ]
        command += [f"--socket={home / 'socket'}", f"--pid-file={home / 'pid'}", f"--tmpdir={home}"]
        command += [f"--init-file={home / 'first.sql'}"]
        with log.open("ab") as output:
            process: subprocess.Popen[bytes] = subprocess.Popen(
                command,
                cwd=home,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **_run_as(_unprivileged_account()),
            )
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while b"ready for connections" not in log.read_bytes():
            if process.poll() is not None or time.monotonic() > deadline:
                process.kill()
                process.wait(_STOP_SECONDS)
                raise MariaDBUnavailable(f"the server did not start: {log.read_text(errors='replace')[-600:].strip()}")
            time.sleep(0.02)
        (home / "first.sql").unlink()

    def __repr__(self) -> str:
        return f"<MariaDBServer {self.host}:{self.port} {'running' if self._process else 'stopped'}>"


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise MariaDBUnavailable(f"{name} is not installed")
    return found


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Who root runs the server as, which refuses to run as root; None when this process isn't root."""
    if os.geteuid() != 0:
        return None
    for name in ("mysql", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise MariaDBUnavailable("root has neither a user mysql nor nobody to run the server as")


def _run_as(account: pwd.struct_passwd | None) -> dict[str, Any]:
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """As little as it needs: MYSQL_… variables of the caller would change what the programs do."""
    return {"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC"}
