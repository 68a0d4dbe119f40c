"""SIGN-5: PostgreSQL's `peer` lets a process in as the operating system knows it; run as an unprivileged user."""

from __future__ import annotations

import json
import os
import pwd
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import support_gss_postgresql
from support_gss_postgresql import GssPostgreSQL
from support_mapped import MappedReference
from support_servers import missing
from support_signon import chain

from connector.errors import ConfigError
from connector.spi import PlatformIdentity, Subject
from connector_platform import PlatformMappingModule

SCRIPT = Path(__file__).with_name("as_unprivileged_user.py")


@pytest.fixture(scope="module")
def account() -> pwd.struct_passwd:
    """Whom the script runs as: not root, and not the server's owner where that can be chosen."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else pwd.getpwuid(os.geteuid())


@pytest.fixture(scope="module")
def socket_server(account: pwd.struct_passwd) -> Iterator[GssPostgreSQL]:
    """The account may work as itself and as alice, and not as bob."""
    lacking = support_gss_postgresql.missing_part()
    if lacking is not None:
        missing(lacking)
    hba = ["local all all peer map=platform"]
    names = (f"platform {account.pw_name} {user}" for user in (account.pw_name, "alice"))
    with GssPostgreSQL(hba, list(names)) as server:
        for role in {"alice", "bob", account.pw_name} - {server.account.pw_name}:
            server.run_sql(f"CREATE ROLE {role} LOGIN")
        yield server


@pytest.fixture(scope="module")
def answers(socket_server: GssPostgreSQL, account: pwd.struct_passwd) -> dict[str, Any]:
    """What the script found out, by the case."""
    url = f"postgresql+psycopg:///postgres?host={socket_server.folder}&port={socket_server.port}"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), url, account.pw_name],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path), "PGPASSWORD": "ignored"},
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.kerberos
def test_the_process_works_as_its_own_user_where_the_deployer_says_so(
    answers: dict[str, Any], account: pwd.struct_passwd
) -> None:
    assert answers["process"] == account.pw_name


@pytest.mark.kerberos
def test_a_callers_platform_user_id_is_taken_where_the_servers_map_allows_it(answers: dict[str, Any]) -> None:
    assert answers["alice"] == "alice"


@pytest.mark.kerberos
def test_one_that_the_map_does_not_allow_is_refused_with_a_code(answers: dict[str, Any]) -> None:
    assert answers["bob"].startswith("CF-SQL-013")
    assert 'Peer authentication failed for user "bob"' in answers["bob"]


@pytest.mark.kerberos
def test_each_identity_has_a_connection_of_its_own(answers: dict[str, Any]) -> None:
    assert answers["connections"] == 2


@pytest.mark.parametrize("where", ["localhost/postgres", "/postgres"], ids=["by TCP", "no host"])
def test_without_a_unix_socket_nobody_is_signed_on_by_the_platform(where: str) -> None:
    login = chain("Platform", PlatformMappingModule, "platform")
    reference = MappedReference(f"postgresql+psycopg://{where}", login)
    try:
        caller = Subject.of_user("alice", "weather", credentials=[PlatformIdentity("alice")])
        with reference.asked_by(caller) as connections, pytest.raises(ConfigError, match=r"CF-SQL-071.*Unix socket"):
            connections.get_connection()
    finally:
        reference.close()
