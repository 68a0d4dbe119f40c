"""What signing on without a password needs of url, driver and process: pure decisions, no server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support_sql import MariaDatabase

from connector.errors import ConfigError, ConnectionFailed, SignOnError
from connector.spi import (
    KERBV5,
    KerberosCredential,
    PasswordCredential,
    PlatformIdentity,
    Subject,
)
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.settings import SqlSettings, read_settings
from connector_sql.ticket_sign_on import libpq_gssapi_path, require_socket, service_of

WHEEL = Path("/venv/psycopg_binary.libs")
SYSTEM = Path("/usr/lib/x86_64-linux-gnu")


class NoTickets:
    """Nobody gets as far as asking for one."""

    expired = False

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        raise AssertionError("no ticket is needed here")
        yield ""


def settings(where: str, **connect_args: Any) -> SqlSettings:
    return read_settings("jdbc/ledger", {"url": f"postgresql+psycopg://{where}", "connect_args": connect_args})


def with_ticket(factory: SqlManagedConnectionFactory) -> Subject:
    return Subject(credentials=[KerberosCredential("alice@R", "alice", NoTickets(), factory)])


@pytest.mark.parametrize(
    ("where", "service"),
    [
        ("db.example/ledger", "postgres@db.example"),
        ("db.example:6432/ledger", "postgres@db.example"),
        ("db.example/ledger?krbsrvname=ledgerdb", "ledgerdb@db.example"),
        ("/ledger?host=db.example", "postgres@db.example"),
    ],
)
def test_the_service_is_named_by_the_url(where: str, service: str) -> None:
    assert service_of(settings(where), KERBV5) == service


def test_the_service_may_be_named_by_the_drivers_arguments() -> None:
    assert service_of(settings("db.example/l", krbsrvname="x", host="other.example"), KERBV5) == "x@other.example"


@pytest.mark.parametrize("where", ["/ledger", "/ledger?host=/run/postgresql", "/ledger?host=a.example,b.example"])
def test_a_ticket_is_for_one_named_host(where: str) -> None:
    with pytest.raises(ConfigError, match=r"CF-SQL-071.*the name of one host"):
        service_of(settings(where), KERBV5)


def test_a_unix_socket_is_named_by_the_url_or_the_drivers_arguments() -> None:
    require_socket(settings("/ledger?host=/run/postgresql"))
    require_socket(settings("/ledger", host="/run/postgresql"))


def test_libpqs_own_copy_of_the_kerberos_library_is_found_among_others() -> None:
    ours = {WHEEL / "libpq-e9.so.5", WHEEL / "libgssapi_krb5-92.so.2"}
    others = {SYSTEM / "libgssapi_krb5.so.2.2", Path("/venv/gssapi.libs/libgssapi_krb5-11.so.2")}
    system = {SYSTEM / "libpq.so.5"}

    assert libpq_gssapi_path(ours | others, binary=True) == WHEEL / "libgssapi_krb5-92.so.2"
    assert libpq_gssapi_path(ours | others | system, binary=False) == SYSTEM / "libgssapi_krb5.so.2.2"


def test_where_libpqs_copy_cannot_be_told_none_is_taken() -> None:
    two = {SYSTEM / "libgssapi_krb5.so.2", Path("/opt/lib/libgssapi_krb5.so.2")}

    assert libpq_gssapi_path(two, binary=False) is None
    assert libpq_gssapi_path({WHEEL / "libpq-e9.so.5"}, binary=True) is None


def test_a_libpq_that_can_not_insist_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    factory = SqlManagedConnectionFactory(settings("db.example/ledger"))
    monkeypatch.setattr("psycopg.pq.version", lambda: 150012)

    with pytest.raises(ConfigError, match=r"CF-SQL-070.*libpq 15"):
        factory.create_managed_connection(with_ticket(factory), None)


@pytest.mark.mariadb
def test_mariadb_is_not_signed_on_anew_by_ticket(maria: MariaDatabase) -> None:
    factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", {"url": maria.url}))
    alice = PasswordCredential("alice", maria.passwords("alice")["alice"], factory)
    connection = factory.create_managed_connection(Subject(credentials=[alice]), None)

    with pytest.raises(ConfigError, match=r"CF-SQL-070.*user and password only"):
        connection.reauthenticate(with_ticket(factory), None)
    with pytest.raises(ConnectionFailed, match="CF-SQL-061"):
        connection.cursor()


def test_a_database_without_users_needs_no_ticket(tmp_path: Path) -> None:
    factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", {"url": f"sqlite:///{tmp_path / 'x.db'}"}))

    factory.create_managed_connection(with_ticket(factory), None).destroy()


def test_a_ticket_for_another_factory_signs_nobody_on() -> None:
    factory = SqlManagedConnectionFactory(settings("db.example/ledger"))
    other = SqlManagedConnectionFactory(settings("db.example/ledger"))

    for credential in (KerberosCredential("a@R", "a", NoTickets(), other), PlatformIdentity("a", other)):
        with pytest.raises(SignOnError, match="CF-SQL-010"):
            factory.create_managed_connection(Subject(credentials=[credential]), None)
