"""SIGN-5, SIGN-6: PostgreSQL is signed on by ticket, as a service or as the caller, without anybody's password."""

from __future__ import annotations

import os
import pickle
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from support_kerberos import NAME, Realm
from support_mapped import WHO, MappedReference, called
from support_signon import ALICE, BOB

from connector.spi import KERBV5, KerberosCredential, Subject

pytestmark = pytest.mark.kerberos


def who(reference: MappedReference, caller: Subject | None) -> tuple[Any, ...]:
    with reference.asked_by(caller) as connections, connections.get_connection() as connection:
        return tuple(connection.execute(WHO).one())


def test_by_keytab_a_service_signs_on_as_itself_whoever_calls(make_mapped: Any) -> None:
    reference = make_mapped(source="keytab")

    for caller in (ALICE, BOB, None):
        assert who(reference, caller) == ("web/localhost", f"web/localhost@{NAME}")

    assert reference.physical_count == 1


def test_by_constrained_delegation_each_caller_works_as_itself(make_mapped: Any) -> None:
    reference = make_mapped(source="constrained")

    assert who(reference, ALICE) == ("alice", f"alice@{NAME}")
    assert who(reference, BOB) == ("bob", f"bob@{NAME}")
    assert who(reference, ALICE) == ("alice", f"alice@{NAME}")
    assert reference.physical_count == 2


def test_by_the_ticket_that_the_caller_delegated_to_this_service(make_mapped: Any, realm: Realm) -> None:
    reference = make_mapped()

    assert who(reference, called("alice", _delegated_to_web(realm, "alice"))) == ("alice", f"alice@{NAME}")


def test_by_a_credential_cache_of_the_caller(make_mapped: Any, realm: Realm) -> None:
    from connector_kerberos import from_cache

    brought = from_cache(realm.ticket("bob"))

    assert who(make_mapped(), called("bob", brought)) == ("bob", f"bob@{NAME}")


def test_two_threads_that_sign_on_at_once_get_the_identity_of_their_own_caller(make_mapped: Any) -> None:
    both_ready = threading.Barrier(2)

    def connect(caller: Subject) -> list[Any]:
        seen = []
        for _ in range(8):
            reference = make_mapped(source="constrained")
            both_ready.wait(20)
            seen.append(who(reference, caller)[0])
        return seen

    with ThreadPoolExecutor(2) as threads:
        alice, bob = threads.map(connect, (ALICE, BOB))

    assert (alice, bob) == (["alice"] * 8, ["bob"] * 8)


def test_one_caller_on_two_threads_shares_the_ticket_that_was_brought(make_mapped: Any, realm: Realm) -> None:
    alice = called("alice", _delegated_to_web(realm, "alice"))
    both_ready = threading.Barrier(2)

    def connect(_: int) -> list[Any]:
        seen = []
        for _ in range(5):
            reference = make_mapped()
            both_ready.wait(20)
            seen.append(who(reference, alice)[0])
        return seen

    with ThreadPoolExecutor(2) as threads:
        assert list(threads.map(connect, range(2))) == [["alice"] * 5] * 2


def test_what_was_brought_is_not_shown_pickled_or_copied(realm: Realm) -> None:
    tickets = _delegated_to_web(realm, "alice").tickets

    assert repr(tickets) == f"<BroughtTickets of alice@{NAME}>"
    with pytest.raises(TypeError, match="can't be pickled"):
        pickle.dumps(tickets)


def test_nothing_of_the_process_is_changed_and_no_ticket_is_left_behind(
    make_mapped: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = dict(os.environ)

    who(make_mapped(source="constrained"), ALICE)

    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


def test_a_thread_that_has_signed_somebody_on_has_no_ticket_afterwards(make_mapped: Any, server: Any) -> None:
    import psycopg

    who(make_mapped(source="constrained"), ALICE)

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(host=server.host, port=server.port, user="alice", dbname="postgres", gssencmode="prefer")


def test_a_renewed_ticket_finds_the_connection_that_the_older_one_opened(make_mapped: Any, realm: Realm) -> None:
    from connector_kerberos import from_cache

    reference = make_mapped()

    first, second = (called("alice", from_cache(realm.ticket("alice"))) for _ in range(2))
    for caller in (first, second):
        assert who(reference, caller)[0] == "alice"

    assert reference.pool.statistics().created == 1
    assert reference.physical_count == 1


def test_the_whole_principal_is_the_user_where_the_deployer_says_so(make_mapped: Any) -> None:
    reference = make_mapped(source="constrained", include_realm=True)

    with reference.asked_by(ALICE):
        plan = reference.current_plan()

    assert plan.user == f"alice@{NAME}"
    assert plan.subject.credentials[0].key() == (KERBV5, f"alice@{NAME}", f"alice@{NAME}")


def _delegated_to_web(realm: Realm, user: str) -> KerberosCredential:
    """As an inbound adapter gets it: the client's security context, accepted by this service with its keytab."""
    import gssapi

    from connector_kerberos import delegated

    name = gssapi.Name("web@localhost", gssapi.NameType.hostbased_service)
    client = gssapi.SecurityContext(
        name=name,
        creds=gssapi.Credentials(usage="initiate", store={"ccache": realm.ticket(user)}),
        flags=gssapi.RequirementFlag.delegate_to_peer,
        usage="initiate",
    )
    acceptor = gssapi.SecurityContext(
        creds=gssapi.Credentials(usage="accept", name=name, store={"keytab": str(realm.keytab("web"))}), usage="accept"
    )
    acceptor.step(client.step())
    return delegated(acceptor.delegated_creds)
