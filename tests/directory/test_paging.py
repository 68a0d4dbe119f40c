"""More entries than a server answers at once: they come by pages."""

from __future__ import annotations

from pathlib import Path

import pytest
import support_ldap
from support_certificates import Authority
from support_ldap import GROUPS, PEOPLE
from support_slapd import SlapdServer

pytestmark = pytest.mark.ldap
COUNT = 10_000


def test_ten_thousand_users_and_a_user_in_a_thousand_groups_are_found(authority: Authority, ca_file: Path) -> None:
    users = "".join(
        f"dn: uid=u{n:05},{PEOPLE}\nobjectClass: inetOrgPerson\nuid: u{n:05}\ncn: u\nsn: u\n\n" for n in range(COUNT)
    )
    groups = "".join(
        f"dn: cn=g{n:04},{GROUPS}\nobjectClass: groupOfNames\ncn: g{n:04}\nmember: uid=u00007,{PEOPLE}\n\n"
        for n in range(1000)
    )
    with SlapdServer(*authority.issue(), entries=users + groups) as server:
        registry = support_ldap.registry(support_ldap.settings(server, ca_file))
        try:
            assert registry.users() == tuple(f"u{n:05}" for n in range(COUNT))
            assert registry.groups_of("u00007") == {f"g{n:04}" for n in range(1000)}
            assert registry.groups_of("u00008") == frozenset()
        finally:
            registry.close()
