"""A throw-away Kerberos realm on loopback for tests: MIT's KDC over a directory of its own, no root.

The KDC keeps its principals in OpenLDAP: with its own database it would refuse constrained delegation.
"""

from __future__ import annotations

import atexit
import gzip
import importlib.util
import os
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

#: Where Debian puts servers, which isn't on everybody's PATH.
_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
_PROGRAMS = ("krb5kdc", "kadmin.local", "kdb5_ldap_util", "kinit", "slapd", "ldapmodify")
_SCHEMA = Path("/usr/share/doc/krb5-kdc-ldap/kerberos.schema.gz")
_START_SECONDS = 20.0

NAME = "KRBTEST.COM"
_SUFFIX = "dc=kdc"
_ADMIN = f"cn=admin,{_SUFFIX}"


def missing_part() -> str | None:
    """What of it isn't installed, in words; None where everything is."""
    for program in _PROGRAMS:
        if shutil.which(program, path=_PATH) is None:
            return f"the program {program} (tests/servers/install)"
    if not _SCHEMA.exists() or _plugins("plugins/kdb/kldap.so") is None:
        return "MIT Kerberos's LDAP back end with its schema (tests/servers/install)"
    for module in ("gssapi", "k5test"):
        if importlib.util.find_spec(module) is None:
            return f"the package {module}, extra kerberos-test (tests/servers/install)"
    return None


class Realm:
    """One running realm, as a context manager; about two seconds to start. Principals are added by tests.

    Attributes:
        folder: Keytabs and caches; only this process's user may enter.
        environment: What programs of Kerberos need (`KRB5_CONFIG`).

    Not for use from several threads.
    """

    def __init__(self) -> None:
        self.folder = Path()
        self.environment: dict[str, str] = {}
        self._slapd: subprocess.Popen[bytes] | None = None
        self._realm: Any = None
        self._password = secrets.token_urlsafe(12)

    def __enter__(self) -> Realm:
        atexit.register(self.stop)
        try:
            self.folder = Path(tempfile.mkdtemp(prefix="connector-kerberos-", dir="/tmp"))
            self._start_directory()
            self._make_realm()
            self.start_kdc()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End both servers and remove all files. Harmless when called twice."""
        realm, self._realm = self._realm, None
        if realm is not None:
            _stop_kdc(realm)
            shutil.rmtree(realm.tmpdir, ignore_errors=True)
        slapd, self._slapd = self._slapd, None
        if slapd is not None:
            slapd.kill()
            slapd.wait()
        if self.folder != Path():
            shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)

    # --- the KDC ----------------------------------------------------------------------------------------------------

    def start_kdc(self, *, clock: str | None = None) -> None:
        """Start the KDC; with `clock` it lives at another time, for example `+2h` from now."""
        self._realm.start_kdc(env=self._at(clock))

    def stop_kdc(self) -> None:
        """End the KDC: nobody answers any more."""
        _stop_kdc(self._realm)

    @contextmanager
    def kdc_at(self, clock: str | None) -> Iterator[None]:
        """The KDC at another time (None: not at all), for a while."""
        self.stop_kdc()
        try:
            if clock is not None:
                self.start_kdc(clock=clock)
            yield
        finally:
            if clock is not None:
                self.stop_kdc()
            self.start_kdc()

    # --- principals -------------------------------------------------------------------------------------------------

    def add_user(self, name: str, *flags: str) -> str:
        """A user whose password only `ticket` knows; answers the principal."""
        self._kadmin("addprinc", *flags, "-pw", self._password, f"{name}@{NAME}")
        return f"{name}@{NAME}"

    def add_service(self, name: str, *flags: str) -> str:
        """A service `name/localhost` with a keytab of its own; answers the principal."""
        principal = f"{name}/localhost@{NAME}"
        self._kadmin("addprinc", *flags, "-randkey", principal)
        self._kadmin("ktadd", "-k", str(self.keytab(name)), "-norandkey", principal)
        return principal

    def keytab(self, name: str) -> Path:
        """Where a service's keytab is."""
        return self.folder / f"{name}.keytab"

    def modify(self, principal: str, *flags: str) -> None:
        """Change a principal, for example `-allow_tix`: it gets no ticket any more."""
        self._kadmin("modprinc", *flags, principal)

    def allow_delegation(self, service: str, to: str) -> None:
        """Let a service act for callers at another one, both by principal."""
        self._ldap(
            f"dn: krbPrincipalName={service},cn={NAME},cn=krb,{_SUFFIX}\nchangetype: modify\n"
            f"add: krbAllowedToDelegateTo\nkrbAllowedToDelegateTo: {to}\n"
        )

    def ticket(self, name: str, *flags: str, clock: str | None = None) -> str:
        """Have a user log in by password; answers the name of the new credential cache."""
        cache = f"FILE:{self.folder / secrets.token_hex(6)}"
        flags = ("-c", cache, *(flags or ("-f",)))
        self._realm.kinit(f"{name}@{NAME}", self._password, flags=list(flags), env=self._at(clock))
        return cache

    # --- behind it --------------------------------------------------------------------------------------------------

    def _at(self, clock: str | None) -> dict[str, str]:
        if clock is None:
            return self.environment
        library = next(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"), None)
        if library is None:
            raise FileNotFoundError("libfaketime is not installed (tests/servers/install)")
        return {**self.environment, "LD_PRELOAD": str(library), "FAKETIME": clock, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}

    def _start_directory(self) -> None:
        home = self.folder / "directory"
        (home / "data").mkdir(parents=True)
        (home / "kerberos.schema").write_bytes(gzip.decompress(_SCHEMA.read_bytes()))
        modules = next(Path("/usr/lib/ldap").glob("back_mdb*.so*"), None)
        lines = ["include /etc/ldap/schema/core.schema", f"include {home}/kerberos.schema"]
        lines += ["modulepath /usr/lib/ldap", "moduleload back_mdb"] if modules is not None else []
        lines += ["database mdb", f"suffix {_SUFFIX}", f"rootdn {_ADMIN}", f"rootpw {self._password}"]
        lines += [f"directory {home}/data", "dbnosync", "maxsize 67108864", "index krbPrincipalName eq"]
        configuration = home / "slapd.conf"
        configuration.touch(mode=0o600)
        configuration.write_text("\n".join(lines) + "\n")
        self._url = f"ldapi://{str(home / 'socket').replace('/', '%2F')}"
        with (home / "log").open("wb") as log:
            self._slapd = subprocess.Popen(
                [_program("slapd"), "-d", "0", "-f", str(configuration), "-h", self._url],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
        _wait_for(home / "socket", self._slapd)
        self._ldap(
            f"dn: {_SUFFIX}\nchangetype: add\nobjectClass: dcObject\nobjectClass: organization\no: kdc\ndc: kdc\n"
        )

    def _make_realm(self) -> None:
        import k5test

        port = _free_port()
        listening = {"kdc_listen": f"127.0.0.1:{port}", "kdc_tcp_listen": f"127.0.0.1:{port}"}
        plugins = _plugins("plugins/kdb/kldap.so")
        directory = {
            "db_library": "kldap", "ldap_kerberos_container_dn": f"cn=krb,{_SUFFIX}", "ldap_kdc_dn": _ADMIN,
            "ldap_kadmind_dn": _ADMIN, "ldap_service_password_file": "$tmpdir/ldap_password",
            "ldap_servers": self._url,
        }  # fmt: skip
        self._realm = realm = k5test.K5Realm(
            realm=NAME,
            portbase=port,
            create_kdb=False,
            start_kdc=False,
            get_creds=False,
            kdc_conf={
                "realms": {
                    "$realm": {
                        **listening, "database_module": "ldap", "kdc_ports": None, "kdc_tcp_ports": None,
                        "database_name": None,
                    }
                },
                "dbmodules": {"db_module_dir": str(plugins), "ldap": directory},
            },
            krb5_conf={
                "libdefaults": {
                    "dns_canonicalize_hostname": "false", "rdns": "false", "forwardable": "true",
                    # Else the library adjusts itself to the KDC's clock, and a wrong one is noticed elsewhere only.
                    "kdc_timesync": "0",
                },
                "realms": {"$realm": {"kdc": f"127.0.0.1:{port}"}},
            },
        )  # fmt: skip
        self.environment = {
            "PATH": _PATH,
            "LC_ALL": "C",
            **{k: v for k, v in realm.env.items() if k.startswith("KRB5")},
        }
        util = [_program("kdb5_ldap_util"), "-D", _ADMIN, "-w", self._password, "-H", self._url]
        stash = [*util, "stashsrvpw", "-f", f"{realm.tmpdir}/ldap_password", _ADMIN]
        self._run(*stash, said=f"{self._password}\n{self._password}\n")
        create = ["create", "-subtrees", _SUFFIX, "-r", NAME, "-s", "-P", "master", "-sf", f"{realm.tmpdir}/stash"]
        self._run(*util, *create)

    @property
    def configuration(self) -> Path:
        """The realm's krb5.conf."""
        return Path(self.environment["KRB5_CONFIG"])

    def _kadmin(self, *words: str) -> None:
        self._realm.run_kadminl(list(words), env=self.environment)

    def _ldap(self, ldif: str) -> None:
        self._run(_program("ldapmodify"), "-x", "-H", self._url, "-D", _ADMIN, "-w", self._password, said=ldif)

    def _run(self, *command: str, said: str = "") -> None:
        environment = self.environment or {"PATH": _PATH, "LC_ALL": "C"}
        done = subprocess.run(command, input=said, text=True, capture_output=True, env=environment, check=False)
        if done.returncode != 0:
            raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-400:]}")


def _stop_kdc(realm: Any) -> None:
    process = realm._kdc_proc
    if process is None:
        return
    realm.stop_kdc()
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise FileNotFoundError(f"{name} is not installed")
    return found


def _plugins(below: str) -> Path | None:
    found = next(Path("/usr/lib").glob(f"*/krb5/{below}"), None)
    return found.parent if found is not None else None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket(socket.AF_UNIX) as probe:
            try:
                probe.connect(str(path))
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)
            else:
                return
