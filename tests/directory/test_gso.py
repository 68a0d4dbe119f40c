"""Global sign-on: each caller's own user and password in the system that the reference names (SIGN-5)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import support_ldap
from support_ldap import EIS, HOSTILE, REALM, credential, credential_dn, service_account
from support_secrets import MARKER, shows_marker
from support_signon import chain, container_managed, target
from support_slapd import SUFFIX, SlapdServer

from connector.errors import SignOnError
from connector.security.audit import MemoryAuditLog
from connector.security.login_chain import ChainFailed, run_chain
from connector.signon.callback_handler import SignOnCallbackHandler
from connector.signon.resolver import SignOnResolver
from connector.spi import AuthenticationData, Dependency, LoginModule, Outcome, PasswordCredential, Secret, Subject
from connector_ldap.gso import DirectoryLoginFailed, LdapGsoMappingModule
from connector_ldap.gso_directory import DIRECTORIES

pytestmark = pytest.mark.ldap

ALICE = Subject.of_user("alice", REALM)
BOB = Subject.of_user("bob", REALM)
TARGET = target()
LogIn = Callable[..., Subject]


class AuthData:
    """One alias, which a test may change."""

    generation = 1

    def __init__(self, entry: AuthenticationData) -> None:
        self.entry = entry

    def get(self, alias: str) -> AuthenticationData | None:
        return self.entry if alias == self.entry.alias else None


@pytest.fixture
def auth_data(slapd: SlapdServer) -> AuthData:
    return AuthData(service_account(slapd))


@pytest.fixture
def log_in(slapd: SlapdServer, ca_file: Path, auth_data: AuthData) -> LogIn:
    """Runs the chain for a caller and a system; further arguments change the options."""

    def run(caller: Subject | None, system: str = "ledger", **changed: Any) -> Subject:
        properties = {"target": system} if system else {}
        handler = SignOnCallbackHandler(
            container_managed("Gso", **properties),  # type: ignore[arg-type]  # mapping properties, texts only
            TARGET, None, caller, auth_data.get,
        )  # fmt: skip
        configured = support_ldap.options(slapd, ca_file, **changed)
        return run_chain(chain("Gso", LdapGsoMappingModule, "ldap-gso", **configured), handler).subject

    return run


def _credential(subject: Subject) -> PasswordCredential:
    found = subject.password_credential(TARGET.factory)
    assert found is not None
    return found


def test_it_is_a_login_module_that_is_asked_each_time_unless_its_options_say_for_how_long_its_answer_is_good(
    slapd: SlapdServer, ca_file: Path
) -> None:
    assert isinstance(LdapGsoMappingModule(), LoginModule)
    assert LdapGsoMappingModule.depends_on == {Dependency.ALIAS, Dependency.CALLER, Dependency.TIME}
    kept = support_ldap.options(slapd, ca_file, cache_time="1m")
    assert LdapGsoMappingModule.dependencies(kept) == {Dependency.ALIAS, Dependency.CALLER}
    assert Dependency.TIME in LdapGsoMappingModule.dependencies({**kept, "cache_time": 0})
    before = LdapGsoMappingModule.revision(kept)
    assert LdapGsoMappingModule.revision(kept) == before
    DIRECTORIES.forget()
    assert LdapGsoMappingModule.revision(kept) != before


def test_each_caller_gets_its_own_user_in_each_system(log_in: LogIn) -> None:
    assert _credential(log_in(ALICE)) == PasswordCredential("ledger_alice", Secret(MARKER), TARGET.factory)
    assert _credential(log_in(ALICE, "archive")).user == "archive_alice"
    assert _credential(log_in(BOB)).user == "ledger_bob"


def test_a_caller_without_an_entry_is_refused_until_there_is_one(slapd: SlapdServer, log_in: LogIn) -> None:
    with pytest.raises(ChainFailed, match="no credential of 'bob' for 'archive'"):
        log_in(BOB, "archive")
    slapd.add(credential_dn("bob", "archive"), **credential("bob", "archive", "archive_bob"))
    try:
        assert _credential(log_in(BOB, "archive")).user == "archive_bob"
    finally:
        slapd.delete(credential_dn("bob", "archive"))


@pytest.mark.parametrize(
    "caller",
    [
        None,
        Subject(read_only=True),
        Subject.unauthenticated(),
        Subject.server("alice", REALM),
        Subject.of_user("alice", "partners"),
        Subject.of_user("Alice", REALM),
        Subject.of_user("alice ", REALM),
        Subject.of_user("ali*", REALM),
        Subject.of_user(HOSTILE, REALM),
        Subject.of_user("alice)(eisTarget=*", REALM),
        Subject.of_user("alice\0", REALM),
    ],
    ids=lambda caller: repr(str(caller.caller) if caller else caller),
)
def test_nobody_else_gets_alice_s_credential(log_in: LogIn, caller: Subject | None) -> None:
    with pytest.raises(ChainFailed):
        log_in(caller)


@pytest.mark.parametrize("system", ["", "LEDGER", "*", "ledger)(eisCaller=*", "led*"])
def test_a_system_is_picked_by_its_very_name(log_in: LogIn, system: str) -> None:
    with pytest.raises(ChainFailed):
        log_in(ALICE, system)


def test_a_directory_that_folds_names_gives_nobody_a_namesake_s_credential(slapd: SlapdServer, log_in: LogIn) -> None:
    dn = f"cn=folded,{EIS}"
    slapd.add(
        dn, objectClass="inetOrgPerson", cn="folded", sn="x", uid="Mary", ou="Mail", employeeNumber="mail_mary",
        description=MARKER,
    )  # fmt: skip
    folding = {
        "filter": "(objectClass=inetOrgPerson)", "caller_attribute": "uid", "target_attribute": "ou",
        "user_attribute": "employeeNumber", "password_attribute": "description",
    }  # fmt: skip
    try:
        assert _credential(log_in(Subject.of_user("Mary", REALM), "Mail", **folding)).user == "mail_mary"
        for caller, system in (("mary", "Mail"), ("MARY", "Mail"), ("Mary", "mail")):
            with pytest.raises(ChainFailed, match="no credential"):
                log_in(Subject.of_user(caller, REALM), system, **folding)
    finally:
        slapd.delete(dn)


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"eisPassword": ""}, "is empty"),
        ({"eisPassword": ["one", "two"]}, "not exactly one eisPassword"),
        ({"eisUser": ["one", "two"]}, "not exactly one eisUser"),
        ({"eisPassword": b"\xff\xfe"}, "not exactly one eisPassword"),
    ],
    ids=["empty password", "two passwords", "two users", "no text"],
)
def test_an_entry_that_is_no_credential_is_refused(
    slapd: SlapdServer, log_in: LogIn, wrong: dict[str, Any], why: str
) -> None:
    slapd.add(credential_dn("bob", "mail"), **{**credential("bob", "mail", "mail_bob"), **wrong})
    try:
        with pytest.raises(ChainFailed, match=f"CF-LDAP-030.*{why}"):
            log_in(BOB, "mail")
    finally:
        slapd.delete(credential_dn("bob", "mail"))


def test_two_entries_for_one_caller_are_an_error_and_no_choice(slapd: SlapdServer, log_in: LogIn) -> None:
    dn = f"eisUser=second,{EIS}"
    slapd.add(dn, **credential("bob", "ledger", "second"))
    try:
        with pytest.raises(ChainFailed, match="CF-LDAP-016"):
            log_in(BOB)
    finally:
        slapd.delete(dn)


def test_only_the_service_account_reads_passwords(slapd: SlapdServer, log_in: LogIn, auth_data: AuthData) -> None:
    auth_data.entry = AuthenticationData("gso", f"cn=registry,ou=services,{SUFFIX}", Secret(slapd.password))
    with pytest.raises(ChainFailed, match="CF-LDAP-014"):  # it can't even see that there are entries
        log_in(ALICE)


def test_a_credential_is_kept_for_the_cache_time_and_forgotten_when_somebody_says_so(
    slapd: SlapdServer, log_in: LogIn
) -> None:
    dn = credential_dn("bob", "mail")
    slapd.add(dn, **credential("bob", "mail", "before"))
    try:
        assert _credential(log_in(BOB, "mail")).user == "before"
        slapd.replace(dn, eisUser="after")
        assert _credential(log_in(BOB, "mail")).user == "before"
        DIRECTORIES.forget()
        assert _credential(log_in(BOB, "mail")).user == "after"
        slapd.replace(dn, eisUser="again")
        assert _credential(log_in(BOB, "mail", cache_time=0)).user == "again"
    finally:
        slapd.delete(dn)


def test_what_one_service_account_has_read_another_one_has_to_read_itself(
    slapd: SlapdServer, log_in: LogIn, auth_data: AuthData
) -> None:
    assert _credential(log_in(ALICE)).user == "ledger_alice"
    auth_data.entry = AuthenticationData("gso", service_account(slapd).user, Secret("wrong"), version=2)
    with pytest.raises(ChainFailed, match="CF-LDAP-012"):
        log_in(ALICE)


def test_an_outage_is_a_temporary_failure_and_is_not_kept(slapd: SlapdServer, log_in: LogIn) -> None:
    slapd.stop()
    with pytest.raises(ChainFailed) as failed:
        log_in(ALICE)
    error = failed.value.error
    assert isinstance(error, DirectoryLoginFailed)
    assert (error.code, error.retryable) == ("CF-LDAP-010", True)
    assert error.text.startswith("CF-LDAP-010: ")
    slapd.start()
    assert _credential(log_in(ALICE)).user == "ledger_alice"
    slapd.stop()
    assert _credential(log_in(ALICE)).user == "ledger_alice"  # kept


def test_an_outage_refuses_nobody_and_is_told_with_its_code(
    slapd: SlapdServer, ca_file: Path, auth_data: AuthData
) -> None:
    configuration = chain("Gso", LdapGsoMappingModule, "ldap-gso", **support_ldap.options(slapd, ca_file))
    audit = MemoryAuditLog()
    resolver = SignOnResolver(auth_data, {"Gso": configuration}, audit)
    reference = container_managed("Gso", target="ledger")
    assert "ledger_alice" in str(resolver.resolve(reference, TARGET, None, ALICE))
    DIRECTORIES.forget()
    slapd.stop()
    with pytest.raises(SignOnError) as refused:
        resolver.resolve(reference, TARGET, None, ALICE)
    assert refused.value.code == "CF-SIGN-017"
    assert refused.value.text.count("CF-LDAP-010") == 1
    assert refused.value.retryable
    assert [event.outcome for event in audit.events] == [Outcome.SUCCESS, Outcome.FAILURE]


@pytest.mark.parametrize(
    "entry",
    [
        AuthenticationData("another", "cn=gso", Secret("x")),
        AuthenticationData("gso", "cn=gso", Secret("")),
        AuthenticationData("gso", "", Secret("x")),
    ],
    ids=["unknown", "no password", "no name"],
)
def test_without_a_whole_service_account_nothing_is_asked(
    log_in: LogIn, auth_data: AuthData, entry: AuthenticationData
) -> None:
    auth_data.entry = entry
    with pytest.raises(ChainFailed, match="service account"):
        log_in(ALICE)


def test_no_password_is_shown_by_whatever_goes_wrong(
    slapd: SlapdServer, log_in: LogIn, auth_data: AuthData, ca_file: Path
) -> None:
    _credential(log_in(ALICE))
    options = support_ldap.options(slapd, ca_file)
    assert shows_marker(DIRECTORIES) == []
    assert shows_marker(LdapGsoMappingModule()) == []
    auth_data.entry = AuthenticationData("gso", service_account(slapd).user, Secret(MARKER), version=2)
    with pytest.raises(ChainFailed) as failed:
        log_in(ALICE)
    assert shows_marker(failed.value) == []
    assert MARKER not in repr(options)


def test_mistakes_in_the_options_are_told_before_any_login(slapd: SlapdServer, ca_file: Path) -> None:
    right = support_ldap.options(slapd, ca_file)
    assert LdapGsoMappingModule.mistakes(right) == ()
    wrong: tuple[tuple[str, Any], ...] = (
        ("urls", []), ("urls", "http://x"), ("urls", "ldap://u:p@x"), ("urls", "ldap://[::1"), ("realm", ""),
        ("alias", None), ("base", 3), ("filter", "objectClass=*"), ("caller_attribute", "a)(b"), ("cache_time", "soon"),
        ("timeout", 0), ("start_tls", "no"), ("ca_file", 3),
    )  # fmt: skip
    for name, value in wrong:
        (mistake,) = LdapGsoMappingModule.mistakes({**right, name: value})
        assert (mistake.code, mistake.key_path) == ("CF-LDAP-002", name), (name, value)
    (plain,) = LdapGsoMappingModule.mistakes({**right, "urls": "ldap://x", "start_tls": False})
    assert plain.code == "CF-LDAP-003"
