"""PostgreSQL signed on by ticket, or by what the platform says of this process (SIGN-6).

Theory of operation
-------------------
libpq takes the ticket out of the *default* credential cache of the Kerberos library that it is linked with. The usual
ways to say which one that is (the environment variable KRB5CCNAME) hold for the process, and so for all other threads
that connect at that moment. The library has one way that holds for a thread: `gss_krb5_ccache_name`. It is called here
around the connect, in the very copy of the library that libpq uses: psycopg's wheel brings its own.

Nothing else may decide who is signed on: `require_auth` makes libpq refuse a server that asks for anything else, so
that no password file of the process is used, and no server lets the user in unasked.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Final

from connector.errors import ConfigError, Reason
from connector.spi import PLATFORM
from connector_sql.settings import SqlSettings

NO_TICKETS_HERE = Reason(
    "CF-SQL-070",
    "resource {resource} can't be signed on by mechanism {mechanism}: {why}.",
    "Use PostgreSQL with the driver psycopg and libpq 16 or newer, or another login configuration.",
)
HOST_NEEDED = Reason(
    "CF-SQL-071",
    "resource {resource} is to be signed on by mechanism {mechanism}, and its url has {found} where that needs"
    " {needed}.",
    "Correct the url of the resource.",
)

_GSSAPI: Final = "libgssapi_krb5"
_OLDEST_LIBPQ: Final = 160000  # has require_auth


def require_able(settings: SqlSettings, mechanism: str) -> None:
    """Whether a resource's driver can sign on otherwise than by password. Raises ConfigError."""
    dialect = settings.dialect
    why = ""
    if dialect.name != "postgresql" or not dialect.driver.startswith("psycopg"):
        why = f"{dialect.name}+{dialect.driver} signs on by user and password only"
    else:
        import psycopg

        version = psycopg.pq.version()
        if version < _OLDEST_LIBPQ:
            why = f"libpq {version // 10000} can't be told which way of signing on to insist on"
    if why:
        raise ConfigError(NO_TICKETS_HERE, resource=settings.resource, mechanism=mechanism, why=why)


def service_of(settings: SqlSettings, mechanism: str) -> str:
    """The Kerberos service of the resource's database, `postgres@host`. Pure. Raises ConfigError without one host."""
    arguments = {**settings.url.query, **settings.connect_args}
    host = str(settings.connect_args.get("host") or settings.url.host or settings.url.query.get("host") or "")
    if not host or "," in host or host[0] in "/@":
        needed = "the name of one host"
        found = f"the host {host!r}" if host else "no host"
        raise ConfigError(HOST_NEEDED, resource=settings.resource, mechanism=mechanism, found=found, needed=needed)
    return f"{arguments.get('krbsrvname') or 'postgres'}@{host.partition(':')[0]}"


def require_socket(settings: SqlSettings) -> None:
    """Only over a Unix socket does the operating system tell the server who connects. Raises ConfigError."""
    host = str(settings.connect_args.get("host") or settings.url.host or settings.url.query.get("host") or "")
    if not host.startswith(("/", "@")):
        found = f"the host {host!r}" if host else "no host"
        needed = "the folder of the server's Unix socket (?host=/run/postgresql)"
        raise ConfigError(HOST_NEEDED, resource=settings.resource, mechanism=PLATFORM, found=found, needed=needed)


@contextmanager
def cache_of_this_thread(name: str) -> Iterator[None]:
    """For the time being libpq takes this thread's tickets out of that credential cache, and other threads' not.

    Does not block. Raises OSError where libpq's Kerberos library can't be found.
    """
    library = _libpq_gssapi()
    _set_cache(library, name)
    try:
        yield
    finally:
        _set_cache(library, None)


def _set_cache(library: Any, name: str | None) -> None:
    minor, before = ctypes.c_uint32(), ctypes.c_char_p()
    major = library.gss_krb5_ccache_name(
        ctypes.byref(minor), name.encode() if name is not None else None, ctypes.byref(before)
    )
    if major != 0:
        raise OSError(f"the Kerberos library refused the credential cache (minor code {minor.value})")


@cache
def _libpq_gssapi() -> Any:
    """The Kerberos library that psycopg's libpq is linked with; psycopg must have been imported."""
    import psycopg

    maps = Path("/proc/self/maps").read_text()
    loaded = {Path(line.split(maxsplit=5)[5]) for line in maps.splitlines() if "/" in line}
    path = libpq_gssapi_path(loaded, binary=psycopg.pq.__impl__ == "binary")
    if path is None:
        raise OSError("libpq's Kerberos library isn't loaded: libpq is built without GSSAPI, or linked otherwise")
    library = ctypes.CDLL(str(path))
    library.gss_krb5_ccache_name.restype = ctypes.c_uint32
    library.gss_krb5_ccache_name.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
    return library


def libpq_gssapi_path(loaded: set[Path], *, binary: bool) -> Path | None:
    """Among a process's libraries the Kerberos library beside libpq; other packages bring copies of both. Pure.

    Args:
        loaded: The paths of what the process has loaded.
        binary: Whether psycopg is the one of the wheel `psycopg-binary`, which brings its own libraries.
    """
    own = {path for path in loaded if (path.parent.name == "psycopg_binary.libs") is binary}
    homes = {path.parent for path in own if path.name.startswith("libpq")}
    found = sorted(path for path in own if path.name.startswith(_GSSAPI) and (path.parent in homes or not homes))
    return found[0] if len(found) == 1 else None
