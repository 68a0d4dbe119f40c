"""What goes wrong with tickets: one clear error with its code, nobody locked out, recovery without a restart."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from support_kerberos import NAME, Realm
from support_mapped import WHO, MappedReference, called
from support_pool import FakeClock
from support_signon import ALICE, BOB

from connector.errors import ConnectionFailed, LoginRefused, SignOnError
from connector.spi import Subject

pytestmark = pytest.mark.kerberos


def who(reference: MappedReference, caller: Subject | None) -> str:
    with reference.asked_by(caller) as connections, connections.get_connection() as connection:
        return str(connection.execute(WHO).one()[0])


@pytest.mark.parametrize("source", ["keytab", "constrained"])
def test_without_a_kdc_connections_in_the_pool_serve_on_and_new_ones_say_what_is_missing(
    make_mapped: Any, realm: Realm, source: str
) -> None:
    reference = make_mapped(source=source)
    user = who(reference, ALICE)
    with realm.kdc_at(None):
        assert who(reference, ALICE) == user

        with reference.asked_by(ALICE) as connections, connections.get_connection():  # takes the one that there is
            for _ in range(2):  # not held against the identity: each time the KDC is asked
                with pytest.raises(ConnectionFailed) as failed:
                    connections.get_connection()

        assert failed.value.code == "CF-KRB-020"
        assert not isinstance(failed.value, LoginRefused)

    with reference.asked_by(ALICE) as connections, connections.get_connection(), connections.get_connection():
        assert reference.physical_count == 2


@pytest.mark.parametrize("clock", ["+2h", "-2h"])
def test_clocks_that_differ_are_named_and_refuse_nobody(make_mapped: Any, realm: Realm, clock: str) -> None:
    reference = make_mapped(source="constrained")

    with realm.kdc_at(clock), pytest.raises(ConnectionFailed) as failed:
        who(reference, ALICE)

    assert failed.value.code == "CF-KRB-021"
    assert "NTP" in failed.value.action
    assert who(reference, ALICE) == "alice"


def test_an_expired_ticket_stops_new_work_leaves_what_runs_and_its_renewal_goes_on_with_the_same_connection(
    make_mapped: Any, realm: Realm
) -> None:
    from connector_kerberos import from_cache

    reference = make_mapped()
    cache = realm.ticket("alice")
    alice = called("alice", from_cache(cache))
    with reference.asked_by(alice) as connections:
        with connections.get_connection() as connection:
            assert connection.execute(WHO).one()[0] == "alice"
            _put(_expired(realm, "alice"), cache)
            assert connection.execute(WHO).one()[0] == "alice"

            with pytest.raises(SignOnError, match="CF-KRB-005: the ticket that the caller alice@weather brought"):
                connections.get_connection()
            connection.commit()
            with pytest.raises(SignOnError, match="CF-KRB-005"):  # another transaction is new work
                connection.execute(WHO)

        _put(realm.ticket("alice"), cache)
        with connections.get_connection() as connection:
            assert connection.execute(WHO).one()[0] == "alice"
    assert reference.pool.statistics().created == 1


def test_a_ticket_that_expires_after_the_caller_was_mapped_is_no_refusal_of_the_caller(
    make_mapped: Any, realm: Realm
) -> None:
    from connector_kerberos import from_cache

    cache = realm.ticket("alice")
    reference = make_mapped()
    with reference.asked_by(called("alice", from_cache(cache))):
        plan = reference.current_plan()
    _put(_expired(realm, "alice"), cache)

    with pytest.raises(ConnectionFailed) as failed:
        reference.pool.take(plan)

    assert failed.value.code == "CF-KRB-022"
    assert not isinstance(failed.value, LoginRefused)


def test_a_cache_that_is_gone_is_told_when_it_is_needed(make_mapped: Any, realm: Realm) -> None:
    from connector_kerberos import from_cache

    cache = realm.ticket("alice")
    alice = called("alice", from_cache(cache))
    Path(cache.removeprefix("FILE:")).unlink()

    with pytest.raises(ConnectionFailed, match="CF-KRB-029: no ticket of alice@"):
        who(make_mapped(), alice)
    with pytest.raises(ConnectionFailed, match="CF-KRB-011: the credential cache FILE:"):
        from_cache(cache)


def test_a_cache_that_is_somebody_elses_now_signs_nobody_on(make_mapped: Any, realm: Realm) -> None:
    from connector_kerberos import from_cache

    cache = realm.ticket("alice")
    alice = called("alice", from_cache(cache))
    _put(realm.ticket("bob"), cache)

    with pytest.raises(LoginRefused, match=f"CF-KRB-012.*alice@{NAME} brought holds tickets of bob@{NAME}"):
        who(make_mapped(), alice)


def test_a_revoked_user_is_refused_not_tried_again_at_once_and_back_without_a_restart(
    make_mapped: Any, realm: Realm
) -> None:
    clock = FakeClock()
    reference = make_mapped(source="constrained", clock=clock)
    realm.modify(f"alice@{NAME}", "-allow_tix")
    try:
        for _ in range(3):
            with pytest.raises(LoginRefused, match="CF-KRB-023"):
                who(reference, ALICE)
        assert who(reference, BOB) == "bob"
        assert reference.pool.statistics().failed_logins == 1
    finally:
        realm.modify(f"alice@{NAME}", "+allow_tix")

    clock.now += 2
    assert who(reference, ALICE) == "alice"


def test_the_databases_own_refusal_is_told_from_the_kdcs(make_mapped: Any, server: Any) -> None:
    reference = make_mapped(source="constrained")
    server.run_sql("ALTER ROLE bob NOLOGIN")
    try:
        with pytest.raises(LoginRefused) as refused:
            who(reference, BOB)
    finally:
        server.run_sql("ALTER ROLE bob LOGIN")

    assert refused.value.code == "CF-SQL-013"
    assert "mechanism Kerbv5" in str(refused.value)


@pytest.mark.parametrize("user", ["dora", "erin"], ids=["asks for nothing", "asks for a password"])
def test_a_server_that_does_not_let_in_by_ticket_is_refused_and_gets_no_password(
    make_mapped: Any, monkeypatch: pytest.MonkeyPatch, user: str
) -> None:
    monkeypatch.setenv("PGPASSWORD", "of somebody else")
    reference = make_mapped(source="constrained", query="?gssencmode=disable")

    with pytest.raises(LoginRefused, match=r"CF-SQL-013.*authentication method requirement"):
        who(reference, called(user))


def test_a_service_that_the_kdc_does_not_know_is_named(make_mapped: Any, server: Any) -> None:
    reference = make_mapped(source="keytab")
    elsewhere = MappedReference(
        f"postgresql+psycopg://{server.host}:{server.port}/postgres?krbsrvname=oracle", reference.login
    )
    try:
        with pytest.raises(LoginRefused, match="CF-KRB-025: the KDC knows no service oracle@localhost"):
            who(elsewhere, ALICE)
    finally:
        elsewhere.close()


@pytest.mark.parametrize("file", ["bob.keytab", "postgres.keytab"])
def test_a_keytab_that_is_not_there_or_anothers_is_named(make_mapped: Any, realm: Realm, file: str) -> None:
    reference = make_mapped(source="keytab", keytab=str(realm.folder / file))

    with pytest.raises(LoginRefused, match=f"CF-KRB-024: the keytab doesn't open web/localhost@{NAME}"):
        who(reference, ALICE)


def _expired(realm: Realm, user: str) -> str:
    """A ticket of two hours ago, for one hour."""
    with realm.kdc_at("-2h"):
        return realm.ticket(user, "-f", "-l", "1h", clock="-2h")


def _put(cache: str, over: str) -> None:
    shutil.copyfile(cache.removeprefix("FILE:"), over.removeprefix("FILE:"))
