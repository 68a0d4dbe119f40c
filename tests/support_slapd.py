"""A throw-away OpenLDAP server for tests: Debian's slapd in a folder of its own, no root, nothing left behind.

On loopback, with StartTLS and ldaps under a certificate that the test makes. It can be stopped and started again on the
same ports, with the same entries. Data are not forced to the disk: never use it for data that matter.
"""

from __future__ import annotations

import atexit
import importlib.util
import os
import pwd
import shutil
import signal
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
_SCHEMAS = Path("/etc/ldap/schema")
_MODULES = Path("/usr/lib/ldap")
_START_SECONDS = 30.0
_STOP_SECONDS = 10.0

SUFFIX = "dc=example,dc=org"
REGISTRY_DN = f"cn=registry,ou=services,{SUFFIX}"
ADMIN_DN = f"cn=admin,{SUFFIX}"
GSO_DN = f"cn=gso,ou=services,{SUFFIX}"

#: As docs/directory.md has it; the numbers are from OpenLDAP's arc for experiments.
SCHEMA = """
attributetype ( 1.3.6.1.4.1.4203.666.1.901 NAME 'eisCaller'
  EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.902 NAME 'eisTarget'
  EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.903 NAME 'eisUser'
  EQUALITY caseExactMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )
attributetype ( 1.3.6.1.4.1.4203.666.1.904 NAME 'eisPassword'
  EQUALITY octetStringMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.40 )
objectclass ( 1.3.6.1.4.1.4203.666.3.901 NAME 'eisCredential' SUP top STRUCTURAL
  MUST ( eisCaller $ eisTarget $ eisUser $ eisPassword ) )
"""

_CONFIGURATION = """
include {schemas}/core.schema
include {schemas}/cosine.schema
include {schemas}/inetorgperson.schema
include {home}/eis.schema
pidfile {home}/slapd.pid
argsfile {home}/slapd.args
modulepath {modules}
moduleload back_mdb
moduleload memberof
TLSCACertificateFile {home}/server.pem
TLSCertificateFile {home}/server.pem
TLSCertificateKeyFile {home}/server.key
sizelimit size.soft=500 size.hard=500 size.prtotal=unlimited
database mdb
maxsize 268435456
suffix "{suffix}"
rootdn "{admin}"
rootpw {password}
directory {home}/db
dbnosync
index objectClass,uid,cn,member,eisCaller eq
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=eis,{suffix}" by dn.exact="{gso}" read by * none
access to * by dn.exact="{registry}" read by anonymous auth by * none
"""


def slapd_configuration(home: Path, password: str) -> str:
    """The text of a server's `slapd.conf`."""
    return _CONFIGURATION.format(
        schemas=_SCHEMAS, modules=_MODULES, home=home, suffix=SUFFIX, admin=ADMIN_DN, password=password, gso=GSO_DN,
        registry=REGISTRY_DN,
    )  # fmt: skip


class SlapdUnavailable(RuntimeError):
    """The server does not start."""


def missing_part() -> str | None:
    """What of it isn't installed, in words; None where everything is. Loads neither library nor server."""
    if shutil.which("slapd", path=_PATH) is None or not _SCHEMAS.is_dir():
        return "OpenLDAP's slapd (tests/servers/install)"
    if importlib.util.find_spec("ldap") is None:
        return "the package python-ldap, extra ldap (tests/servers/install)"
    return None


class SlapdServer:
    """One server, as a context manager that starts it; a tenth of a second.

    Args:
        certificate: The server's certificate, PEM.
        key: Its private key, PEM.
        entries: LDIF to begin with, beyond the suffix and the service accounts.
        password: Of the administrator and of both service accounts.

    Raises SlapdUnavailable on entry. Not for use from several threads.
    """

    host = "127.0.0.1"
    admin_dn = ADMIN_DN

    def __init__(self, certificate: bytes, key: bytes, entries: str = "", password: str = "service-pw") -> None:
        self.password = password
        self.port, self.tls_port = _free_ports(self.host)
        self._certificate, self._key = certificate, key
        self._entries = entries
        self._home: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None

    @property
    def url(self) -> str:
        return f"ldap://{self.host}:{self.port}"

    @property
    def tls_url(self) -> str:
        return f"ldaps://{self.host}:{self.tls_port}"

    def __enter__(self) -> SlapdServer:
        atexit.register(self.remove)
        try:
            self._prepare()
            self.start()
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()

    def start(self) -> None:
        """Start it on its ports, with the entries that it had. Answers when it listens."""
        home = self._folder()
        with (home / "log").open("ab") as output:
            self._process = subprocess.Popen(
                [_program("slapd"), "-d", "0", "-f", str(home / "slapd.conf"), "-h", f"{self.url} {self.tls_url}"],
                cwd=home,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                **_run_as(),
            )
        deadline = time.monotonic() + _START_SECONDS
        while not (_listens(self.host, self.port) and _listens(self.host, self.tls_port)):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise SlapdUnavailable(f"slapd did not start: {(home / 'log').read_text(errors='replace')[-600:]}")
            time.sleep(0.01)

    def stop(self) -> None:
        """End it at once: connections break, nobody listens any more."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait(_STOP_SECONDS)

    @contextmanager
    def hanging(self) -> Iterator[None]:
        """While the `with` lasts it takes connections, and says nothing."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        os.waitpid(self._process.pid, os.WUNTRACED)  # until all of its threads have stopped
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def certify(self, certificate: bytes, key: bytes) -> None:
        """Another certificate, from the next start on."""
        self._certificate, self._key = certificate, key
        self._write_certificate(self._folder())

    def remove(self) -> None:
        """End it and remove its folder. Harmless when called twice; also runs when the interpreter exits."""
        self.stop()
        if self._home is not None:
            shutil.rmtree(self._home, ignore_errors=True)
            self._home = None
        atexit.unregister(self.remove)

    def admin(self) -> Any:
        """python-ldap's connection of the administrator; the caller unbinds it."""
        import ldap  # here: who only asks whether a server can be had needs no library

        connection = ldap.initialize(self.url)
        connection.simple_bind_s(self.admin_dn, self.password)
        return connection

    def add(self, dn: str, **attributes: Any) -> None:
        """Add an entry."""
        connection = self.admin()
        connection.add_s(dn, [(name, _values(value)) for name, value in attributes.items()])
        connection.unbind_s()

    def replace(self, dn: str, **attributes: Any) -> None:
        """Replace attributes of an entry."""
        connection = self.admin()
        connection.modify_s(dn, [(2, name, _values(value)) for name, value in attributes.items()])
        connection.unbind_s()

    def delete(self, dn: str) -> None:
        """Remove an entry, if it is there."""
        import ldap

        connection = self.admin()
        try:
            connection.delete_s(dn)
        except ldap.NO_SUCH_OBJECT:
            pass
        finally:
            connection.unbind_s()

    def load(self, ldif: str) -> None:
        """Add many entries at once; only while it is stopped."""
        home = self._folder()
        (home / "more.ldif").write_text(ldif)
        done = subprocess.run(
            [_program("slapadd"), "-q", "-f", str(home / "slapd.conf"), "-l", str(home / "more.ldif")],
            cwd=home,
            env=_environment(),
            capture_output=True,
            check=False,
            **_run_as(),
        )
        if done.returncode != 0:
            raise SlapdUnavailable(f"slapadd failed: {done.stderr.decode(errors='replace')[-600:]}")

    def _folder(self) -> Path:
        assert self._home is not None
        return self._home

    def _prepare(self) -> None:
        home = self._home = Path(tempfile.mkdtemp(prefix="connector-slapd-", dir="/tmp"))
        (home / "db").mkdir(mode=0o700)
        (home / "eis.schema").write_text(SCHEMA)
        (home / "slapd.conf").write_text(slapd_configuration(home, self.password))
        (home / "slapd.conf").chmod(0o600)
        (home / "log").touch()
        self._write_certificate(home)
        account = _unprivileged_account()
        if account is not None:
            for path in (home, *home.iterdir()):
                os.chown(path, account.pw_uid, account.pw_gid)
        self.load(_BEGINNING.format(suffix=SUFFIX, password=self.password) + self._entries)

    def _write_certificate(self, home: Path) -> None:
        for name, content in (("server.pem", self._certificate), ("server.key", self._key)):
            (home / name).write_bytes(content)
            (home / name).chmod(0o600)
            account = _unprivileged_account()
            if account is not None:
                os.chown(home / name, account.pw_uid, account.pw_gid)

    def __repr__(self) -> str:
        return f"<SlapdServer {self.url} {'running' if self._process else 'stopped'}>"


_BEGINNING = """dn: {suffix}
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=services,{suffix}
objectClass: organizationalUnit
ou: services

dn: cn=registry,ou=services,{suffix}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: registry
userPassword: {password}

dn: cn=gso,ou=services,{suffix}
objectClass: organizationalRole
objectClass: simpleSecurityObject
cn: gso
userPassword: {password}

dn: ou=people,{suffix}
objectClass: organizationalUnit
ou: people

dn: ou=groups,{suffix}
objectClass: organizationalUnit
ou: groups

dn: ou=eis,{suffix}
objectClass: organizationalUnit
ou: eis

"""


def _values(value: Any) -> list[bytes]:
    several = value if isinstance(value, list | tuple) else [value]
    return [one if isinstance(one, bytes) else str(one).encode() for one in several]


def _program(name: str) -> str:
    found = shutil.which(name, path=_PATH)
    if found is None:
        raise SlapdUnavailable(f"{name} is not installed")
    return found


def _free_ports(host: str) -> tuple[int, int]:
    with socket.socket() as first, socket.socket() as second:
        first.bind((host, 0))
        second.bind((host, 0))
        return first.getsockname()[1], second.getsockname()[1]


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _unprivileged_account() -> pwd.struct_passwd | None:
    """Who root runs the server as; None when this process isn't root."""
    if os.geteuid() != 0:
        return None
    for name in ("openldap", "nobody"):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise SlapdUnavailable("root has neither a user openldap nor nobody to run the server as")


def _run_as() -> dict[str, Any]:
    account = _unprivileged_account()
    return {} if account is None else {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def _environment() -> dict[str, str]:
    """As little as it needs: LDAP… variables of the caller would change what the programs do."""
    return {"PATH": _PATH, "LC_ALL": "C", "TZ": "UTC"}
