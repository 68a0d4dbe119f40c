"""A realm and a PostgreSQL server in it, for the tests of this room; what a test changes it changes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import support_gss_postgresql
import support_kerberos
from support_gss_postgresql import GssPostgreSQL
from support_kerberos import Realm
from support_mapped import MappedReference
from support_servers import missing
from support_signon import chain

MakeMapped = Callable[..., MappedReference]


@pytest.fixture(scope="session")
def realm() -> Iterator[Realm]:
    """alice and bob; carol, who may not be delegated; the service web, which may delegate to PostgreSQL; and others."""
    lacking = support_kerberos.missing_part() or support_gss_postgresql.missing_part()
    if lacking is not None:
        missing(lacking)
    with Realm() as running, pytest.MonkeyPatch.context() as environment:
        for user in ("alice", "bob", "dora", "erin"):
            running.add_user(user)
        running.add_user("carol", "-allow_forwardable")
        postgres = running.add_service("postgres")
        web = running.add_service("web", "+ok_to_auth_as_delegate", "+ok_as_delegate")
        running.allow_delegation(web, postgres)
        # Listed, and lacks the flag; has the flag, and isn't listed; has both, and gets no forwardable ticket itself.
        running.allow_delegation(running.add_service("flagless"), postgres)
        running.allow_delegation(running.add_service("unlisted", "+ok_to_auth_as_delegate"), web)
        stuck = running.add_service("stuck", "+ok_to_auth_as_delegate", "-allow_forwardable")
        running.allow_delegation(stuck, postgres)
        # Once, before anybody connects; no cache is named by the environment, and none by default.
        environment.setenv("KRB5_CONFIG", str(running.configuration))
        environment.setenv("KRB5CCNAME", "FILE:/nonexistent/cache")
        yield running


@pytest.fixture(scope="session")
def server(realm: Realm) -> Iterator[GssPostgreSQL]:
    """Lets in by ticket only, but dora unasked and erin by password."""
    hba = ["host all dora 127.0.0.1/32 trust", "host all erin 127.0.0.1/32 password"]
    hba += [f"host all all 127.0.0.1/32 gss include_realm=0 krb_realm={support_kerberos.NAME}"]
    with GssPostgreSQL(hba, krb5_conf=realm.configuration, keytab=realm.keytab("postgres")) as running:
        for role in ("alice", "bob", "carol", "dora", "erin", "web/localhost"):
            running.run_sql(f'CREATE ROLE "{role}" LOGIN')
        yield running


@pytest.fixture
def make_mapped(realm: Realm, server: GssPostgreSQL) -> Iterator[MakeMapped]:
    """Makes references that are signed on by the Kerberos mapping; options are those of the login configuration."""
    from connector_kerberos import KerberosMappingModule

    made: list[MappedReference] = []

    def make(*, clock: Any = None, service: str = "web", query: str = "", **options: Any) -> MappedReference:
        if options.get("source", "delegated") != "delegated":
            options.setdefault("principal", f"{service}/localhost@{support_kerberos.NAME}")
            options.setdefault("keytab", str(realm.keytab(service)))
        login = chain("Kerberos", KerberosMappingModule, "kerberos", **options)
        url = f"postgresql+psycopg://{server.host}:{server.port}/postgres{query}"
        made.append(MappedReference(url, login, clock=clock))
        return made[-1]

    yield make
    for reference in made:
        reference.close()
