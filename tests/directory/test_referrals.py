"""Referrals are refused: they would be followed with a password, or leave an answer incomplete."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from support_ldap import PEOPLE
from support_slapd import SUFFIX, SlapdServer

from connector_ldap.failures import DirectoryError
from connector_ldap.registry import LdapUserRegistry

pytestmark = pytest.mark.ldap
MakeRegistry = Callable[..., LdapUserRegistry]


@pytest.fixture
def elsewhere(slapd: SlapdServer) -> Iterator[str]:
    """A part of the tree that another server is said to hold; nobody listens there."""
    dn = f"ou=elsewhere,{SUFFIX}"
    slapd.add(dn, objectClass=["referral", "extensibleObject"], ou="elsewhere", ref="ldap://127.0.0.1:9/ou=elsewhere")
    yield dn
    connection = slapd.admin()
    import ldap

    connection.set_option(ldap.OPT_REFERRALS, 0)
    connection.delete_ext_s(dn, serverctrls=[ldap.controls.simple.ManageDSAITControl()])
    connection.unbind_s()


def test_a_base_that_is_held_elsewhere_is_refused(make_registry: MakeRegistry, elsewhere: str) -> None:
    with pytest.raises(DirectoryError) as refused:
        make_registry(base=elsewhere).user_exists("alice")
    assert refused.value.code == "CF-LDAP-013"


def test_an_answer_that_is_incomplete_is_refused(make_registry: MakeRegistry, elsewhere: str) -> None:
    with pytest.raises(DirectoryError) as refused:
        make_registry(base=SUFFIX).user_exists("alice")
    assert refused.value.code == "CF-LDAP-013"
    assert make_registry(base=PEOPLE).user_exists("alice")
