"""What is kept of a directory is forgotten when something happens that makes it doubtful."""

from __future__ import annotations

from pathlib import Path

import pytest
import support_ldap
from support_ldap import REALM, credential, credential_dn, dn_of, person, service_account
from support_slapd import SlapdServer

from connector.spi import AuditEvent, Outcome
from connector_ldap.directory import ServiceAccount
from connector_ldap.gso_directory import DIRECTORIES
from connector_ldap.gso_settings import read_options
from connector_ldap.invalidation import plugin
from connector_ldap.kept import KEEPERS
from connector_ldap.registry import LdapUserRegistry

pytestmark = pytest.mark.ldap


def _event(action: str, who: str, outcome: Outcome) -> AuditEvent:
    return AuditEvent(action, who, "jdbc/ledger", outcome)


def test_a_credential_that_the_system_refused_is_asked_for_again(slapd: SlapdServer, ca_file: Path) -> None:
    directory = DIRECTORIES.of(read_options(support_ldap.options(slapd, ca_file)))
    account = ServiceAccount(service_account(slapd).user, service_account(slapd).password)

    def user() -> str | None:
        found = directory.credential(account, "bob", "mail")
        return None if found is None else found.user

    slapd.add(credential_dn("bob", "mail"), **credential("bob", "mail", "before"))
    try:
        assert user() == "before"
        slapd.replace(credential_dn("bob", "mail"), eisUser="after")
        for event in (
            _event("connect", "alice@shop", Outcome.DENIED),
            _event("connect", "bob@partners", Outcome.DENIED),
            _event("connect", "bob@shop", Outcome.FAILURE),
            _event("sign-on", "bob@shop", Outcome.DENIED),
            _event("admin.auth-data.refresh", "root", Outcome.DENIED),
        ):
            plugin.connector_audit_event(event)
        assert user() == "before"
        plugin.connector_audit_event(_event("connect", f"bob@{REALM}", Outcome.DENIED))
        assert user() == "after"
        slapd.replace(credential_dn("bob", "mail"), eisUser="again")
        plugin.connector_audit_event(_event("admin.auth-data.refresh", "root", Outcome.SUCCESS))
        assert user() == "again"
    finally:
        slapd.delete(credential_dn("bob", "mail"))


def test_an_operator_s_refresh_has_users_and_groups_looked_up_anew(
    slapd: SlapdServer, registry: LdapUserRegistry
) -> None:
    slapd.add(dn_of("eve"), **person("eve"))
    assert registry.user_exists("eve")
    slapd.delete(dn_of("eve"))
    plugin.connector_audit_event(_event("connect", f"alice@{REALM}", Outcome.DENIED))
    assert registry.user_exists("eve")
    plugin.connector_audit_event(_event("connect", f"eve@{REALM}", Outcome.DENIED))
    assert not registry.user_exists("eve")


def test_who_keeps_nothing_any_more_is_not_kept_by_being_told() -> None:
    class Keeper:
        told = 0

        def forget(self) -> None:
            type(self).told += 1

        def forget_caller(self, who: str) -> None:
            type(self).told += 1

    keeper = Keeper()
    KEEPERS.add(keeper)
    KEEPERS.forget()
    KEEPERS.forget_caller("a@b")
    assert Keeper.told == 2
    del keeper
    KEEPERS.forget()
    assert Keeper.told == 2
