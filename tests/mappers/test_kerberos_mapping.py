"""SIGN-5, SIGN-6: whose tickets sign a connection on. No KDC is asked, and none is needed here."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from support_signon import ALICE, BOB, REALM, AuthData, chain, container_managed, resolver, target

from connector.errors import SignOnError
from connector.security.login_chain import ChainFailed, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.spi import KERBV5, Dependency, KerberosCredential, LoginModule, SignOnPlan, Subject, Tickets
from connector_kerberos import KerberosMappingModule
from connector_kerberos.constrained import ConstrainedTickets
from connector_kerberos.keytab import KeytabTickets

RESOURCE = target(mechanisms=frozenset({KERBV5}))
SERVICE: dict[str, Any] = {"principal": "web/host@EXAMPLE.ORG", "keytab": "/etc/web.keytab"}


@dataclass
class FakeTickets:
    """Tickets of which nothing is known but whether they have run out."""

    expired: bool = False

    @contextmanager
    def cache_for(self, service: str) -> Iterator[str]:
        raise AssertionError("sign-on asks no KDC")
        yield ""


def brought(principal: str = "alice@EXAMPLE.ORG", *, expired: bool = False) -> KerberosCredential:
    return KerberosCredential(principal, "anybody", FakeTickets(expired))


def alice_with(*credentials: object) -> Subject:
    return Subject.of_user("alice", REALM, credentials=credentials)


def credential(caller: Subject | None, properties: dict[str, str] | None = None, **options: Any) -> KerberosCredential:
    reference = container_managed("K", **(properties or {}))  # type: ignore[arg-type]  # texts only
    handler = SignOnCallbackHandler(reference, RESOURCE, None, caller, AuthData().get)
    subject = run_chain(chain("K", KerberosMappingModule, "kerberos", **options), handler).subject
    (found,) = subject.credentials_of(KerberosCredential, RESOURCE.factory)
    return found


def plan(caller: Subject | None) -> SignOnPlan:
    login = chain("K", KerberosMappingModule, "kerberos")
    return resolver(None, login).resolve(container_managed("K"), RESOURCE, None, caller)


def test_it_is_a_login_module_that_names_the_most_it_may_depend_on() -> None:
    assert isinstance(KerberosMappingModule(), LoginModule)
    assert KerberosMappingModule.depends_on == {Dependency.CALLER, Dependency.CREDENTIALS}
    assert isinstance(FakeTickets(), Tickets)


def test_a_keytab_signs_on_the_service_whoever_calls() -> None:
    for caller in (ALICE, None):
        found = credential(caller, source="keytab", **SERVICE)
        assert (found.principal, found.user) == ("web/host@EXAMPLE.ORG", "web/host")
        assert found.tickets == KeytabTickets("/etc/web.keytab", "web/host@EXAMPLE.ORG")


def test_constrained_delegation_signs_on_the_caller_in_the_services_realm_or_another() -> None:
    found = credential(ALICE, source="constrained", **SERVICE)

    assert (found.principal, found.user) == ("alice@EXAMPLE.ORG", "alice")
    assert found.tickets == ConstrainedTickets("/etc/web.keytab", "web/host@EXAMPLE.ORG", "alice@EXAMPLE.ORG")
    assert credential(BOB, {"kerberos_realm": "PEOPLE"}, source="constrained", **SERVICE).principal == "bob@PEOPLE"


def test_what_the_caller_brought_becomes_a_credential_for_this_resource() -> None:
    given = brought()

    found = credential(alice_with(given))

    assert (found.principal, found.user, found.tickets) == ("alice@EXAMPLE.ORG", "alice", given.tickets)
    assert given.factory is None


def test_a_ticket_for_another_factory_is_not_what_the_caller_brought() -> None:
    other = KerberosCredential("alice@EXAMPLE.ORG", "alice", FakeTickets(), factory=object())

    with pytest.raises(ChainFailed, match=r"CF-KRB-004.*brought no ticket"):
        credential(alice_with(other))


@pytest.mark.parametrize("source", ["delegated", "constrained"])
@pytest.mark.parametrize(
    "caller",
    [None, Subject(read_only=True), Subject.unauthenticated(), Subject.server("w", REALM), Subject.of_user("", REALM)],
    ids=["null", "empty", "unauthenticated", "server", "without a name"],
)
def test_who_is_no_user_has_no_ticket(caller: Subject | None, source: str) -> None:
    with pytest.raises(ChainFailed, match="CF-KRB-002"):
        credential(caller, source=source, **SERVICE)


def test_an_expired_ticket_is_refused_with_what_to_do() -> None:
    with pytest.raises(SignOnError) as refused:
        plan(alice_with(brought(expired=True)))

    assert refused.value.code == "CF-SIGN-011"
    assert "CF-KRB-005" in refused.value.text
    assert "log in again" in refused.value.action


@pytest.mark.parametrize("principal", ["bob@EXAMPLE.ORG", "alice/admin@EXAMPLE.ORG", "Alice@EXAMPLE.ORG"])
def test_a_caller_with_anothers_ticket_is_refused(principal: str) -> None:
    with pytest.raises(ChainFailed, match="CF-KRB-006"):
        credential(alice_with(brought(principal)))


def test_a_caller_may_be_known_by_the_whole_principal() -> None:
    caller = Subject.of_user("alice@EXAMPLE.ORG", REALM, credentials=[brought()])

    assert credential(caller).user == "alice"
    assert credential(caller, include_realm=True).user == "alice@EXAMPLE.ORG"


@pytest.mark.parametrize("name", ["alice@EVIL", "alice/admin", "EVIL\\alice", "alice\n"])
def test_nobody_is_delegated_by_a_name_that_means_another_principal(name: str) -> None:
    with pytest.raises(ChainFailed, match="CF-KRB-007"):
        credential(Subject.of_user(name, REALM), source="constrained", **SERVICE)


def test_callers_of_another_realm_than_the_named_one_are_refused() -> None:
    with pytest.raises(ChainFailed, match=r"CF-KRB-003.*alice@weather is not of the realm 'hr'"):
        credential(ALICE, {"caller_realm": "hr"}, source="constrained", **SERVICE)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"source": "magic"}, "source"),
        ({"source": "keytab", "keytab": "/k"}, "principal"),
        ({"source": "keytab", "keytab": "/k", "principal": "web/host"}, "principal"),
        ({"source": "constrained", "principal": "web/host@R"}, "keytab"),
        ({"include_realm": "perhaps"}, "include_realm"),
        ({"kerberos_realm": 7}, "kerberos_realm"),
    ],
)
def test_a_wrong_setting_is_named(settings: dict[str, Any], named: str) -> None:
    with pytest.raises(ChainFailed, match=f"CF-KRB-001: the setting {named} of the Kerberos mapping"):
        credential(alice_with(brought()), **settings)


def test_mapping_properties_win_over_options() -> None:
    found = credential(ALICE, {"source": "keytab", "include_realm": "TRUE"}, source="magic", **SERVICE)

    assert found.user == "web/host@EXAMPLE.ORG"


def test_a_renewed_ticket_makes_no_new_partition_and_another_user_does() -> None:
    first, second = (plan(alice_with(brought())) for _ in range(2))
    bob = plan(Subject.of_user("bob", REALM, credentials=[brought("bob@EXAMPLE.ORG")]))

    assert (first.partition, first.sharing_key) == (second.partition, second.sharing_key)
    assert first.partition != bob.partition
    assert first.user == "alice"


def test_the_same_first_name_of_two_realms_is_two_identities() -> None:
    here, there = plan(alice_with(brought())), plan(alice_with(brought("alice@PARTNER")))

    assert here.user == there.user
    assert here.partition != there.partition


def test_a_credential_shows_no_ticket_and_is_not_pickled_or_copied() -> None:
    given = brought()

    assert "Tickets" not in repr(given)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(TypeError, match="can't be pickled"):
            attempt(given)


def test_a_resource_that_takes_passwords_only_is_never_given_a_ticket() -> None:
    passwords_only = target()
    login = chain("K", KerberosMappingModule, "kerberos")

    with pytest.raises(SignOnError, match="mechanism Kerbv5 is not accepted"):
        resolver(None, login).resolve(container_managed("K"), passwords_only, None, alice_with(brought()))
