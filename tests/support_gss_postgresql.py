"""Debian's PostgreSQL for tests of signing on without passwords: by ticket on loopback, by peer on a Unix socket.

The embedded server of the other tests is built without GSSAPI.
"""

from __future__ import annotations

import atexit
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

_START_SECONDS = 30.0
_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "40",
    "shared_buffers": "32MB",
    "log_min_messages": "warning",
}


def programs() -> Path | None:
    """The folder of the newest PostgreSQL that is installed, or None."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parents[1].name))
    return found[-1].parent if found else None


def missing_part() -> str | None:
    """What isn't installed, in words; None where everything is."""
    return None if programs() is not None else "PostgreSQL with GSSAPI, Debian's postgresql (tests/servers/install)"


class GssPostgreSQL:
    """One running server, as a context manager; about two seconds to start.

    Args:
        hba: What its pg_hba.conf says.
        ident: What its pg_ident.conf says.
        krb5_conf: The realm's configuration, and
        keytab: the keys of the service `postgres`; both are copied.

    Attributes:
        folder: Its Unix socket is in there.
        port: Where it listens.
        account: Who it runs as, who may do everything by the socket.
    """

    host = "localhost"

    def __init__(
        self,
        hba: Sequence[str] = (),
        ident: Sequence[str] = (),
        *,
        krb5_conf: Path | None = None,
        keytab: Path | None = None,
    ) -> None:
        self.port = 0
        self.folder = Path()
        self.account = _account()
        self._hba, self._ident = hba, ident
        self._krb5_conf, self._keytab = krb5_conf, keytab
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> GssPostgreSQL:
        atexit.register(self.stop)
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it at once and remove its folder. Harmless when called twice."""
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal.SIGQUIT)  # "immediate"
            process.wait(10)
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def run_sql(self, sql: str) -> str:
        """Run SQL as its owner, by psql and the socket; answers what it prints."""
        command = [str(self._bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", str(self.folder)]
        command += ["-p", str(self.port), "-U", self.account.pw_name, "-d", "postgres"]
        done = self._as_owner(command, said=sql)
        return done.strip()

    def _start(self) -> None:
        found = programs()
        assert found is not None
        self._bin = found
        self.folder = Path(tempfile.mkdtemp(prefix="connector-gss-", dir="/tmp"))
        self.folder.chmod(0o755)
        os.chown(self.folder, self.account.pw_uid, self.account.pw_gid)
        data = self.folder / "data"
        init = [str(self._bin / "initdb"), "-D", str(data), "-U", self.account.pw_name, "-A", "reject"]
        self._as_owner([*init, "-E", "UTF8", "--locale=C", "--no-sync"])
        settings = {**_SETTINGS, "unix_socket_directories": str(self.folder)}
        if self._keytab is not None:
            self._own_copy(self._keytab, "server.keytab")
            settings["krb_server_keyfile"] = str(self.folder / "server.keytab")
        if self._krb5_conf is not None:
            self._own_copy(self._krb5_conf, "krb5.conf")
        with (data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in settings.items())
        owner = f"local all {self.account.pw_name} peer"
        (data / "pg_hba.conf").write_text("\n".join((owner, *self._hba)) + "\n")
        (data / "pg_ident.conf").write_text("\n".join(self._ident) + "\n")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(data), "-p", str(self.port)],
                cwd=self.folder, env=self._environment(), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                start_new_session=True, **self._owner(),
            )  # fmt: skip
        deadline = time.monotonic() + _START_SECONDS
        while not _is_ready(data):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start: {(self.folder / 'log').read_text()[-600:]}")
            time.sleep(0.02)

    def log(self) -> str:
        """What the server has written so far."""
        return (self.folder / "log").read_text(errors="replace")

    def _own_copy(self, path: Path, name: str) -> None:
        copy = self.folder / name
        shutil.copy(path, copy)
        copy.chmod(0o600)
        os.chown(copy, self.account.pw_uid, self.account.pw_gid)

    def _as_owner(self, command: list[str], said: str = "") -> str:
        done = subprocess.run(
            command, cwd=self.folder, env=self._environment(), input=said, text=True, capture_output=True,
            check=False, **self._owner(),
        )  # fmt: skip
        if done.returncode != 0:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-400:]}")
        return str(done.stdout)

    def _owner(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        return {"user": self.account.pw_uid, "group": self.account.pw_gid, "extra_groups": []}

    def _environment(self) -> dict[str, str]:
        environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        if self._krb5_conf is not None:
            environment["KRB5_CONFIG"] = str(self.folder / "krb5.conf")
        return environment


def _account() -> pwd.struct_passwd:
    if os.geteuid() != 0:
        return pwd.getpwuid(os.geteuid())
    for name in ("postgres", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise RuntimeError("root has neither a user postgres nor nobody to run the server as")


def _is_ready(data: Path) -> bool:
    """The postmaster writes its state into the eighth line of its pid file."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return False
    return len(lines) >= 8 and lines[7].strip() == "ready"
