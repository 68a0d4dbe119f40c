"""A small directory for tests: users, nested groups, credentials for systems; and what asks it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from support_secrets import MARKER
from support_slapd import GSO_DN, REGISTRY_DN, SUFFIX, SlapdServer

from connector.spi import AuthenticationData, Clock, Secret
from connector_ldap.registry import LdapUserRegistry
from connector_ldap.registry_settings import read_settings

REALM = "shop"
PEOPLE, GROUPS, EIS = (f"ou={name},{SUFFIX}" for name in ("people", "groups", "eis"))
#: Names that are syntax elsewhere, and names of other scripts.
HOSTILE = "*)(uid=*"
ODD = ("Zoë Ωμέγα", "田中", "o'hara, mary", "back\\slash", "star*(brackets)")


def dn_of(user: str) -> str:
    """Where a user's entry is; in it are no names that would need escaping."""
    return f"uid={user},{PEOPLE}"


def person(user: str, password: str = MARKER) -> dict[str, Any]:
    """The attributes of a user."""
    return {"objectClass": "inetOrgPerson", "uid": user, "cn": user, "sn": user, "userPassword": password}


def group(name: str, *members: str) -> dict[str, Any]:
    """The attributes of a group of these distinguished names."""
    return {"objectClass": "groupOfNames", "cn": name, "member": list(members)}


def group_dn(name: str) -> str:
    """Where a group's entry is."""
    return f"cn={name},{GROUPS}"


def credential_dn(caller: str, target: str) -> str:
    """Where a credential is."""
    return f"eisCaller={caller}+eisTarget={target},{EIS}"


def credential(caller: str, target: str, user: str, password: str = MARKER) -> dict[str, Any]:
    """The attributes of a credential."""
    return {
        "objectClass": "eisCredential", "eisCaller": caller, "eisTarget": target, "eisUser": user,
        "eisPassword": password,
    }  # fmt: skip


def fill(server: SlapdServer) -> None:
    """alice and bob; alice is a clerk, clerks are staff, staff and everybody are in each other; their credentials."""
    for user in ("alice", "bob"):
        server.add(dn_of(user), **person(user))
    for number, name in enumerate(ODD):
        server.add(f"cn=odd-{number},{PEOPLE}", **{**person(name), "cn": f"odd-{number}"})
    server.add(group_dn("clerks"), **group("clerks", dn_of("alice")))
    server.add(group_dn("staff"), **group("staff", group_dn("clerks"), dn_of("bob")))
    server.add(group_dn("everybody"), **group("everybody", group_dn("staff")))
    connection = server.admin()
    connection.modify_s(group_dn("staff"), [(0, "member", [group_dn("everybody").encode()])])
    connection.unbind_s()
    for caller, target, user in (
        ("alice", "ledger", "ledger_alice"), ("alice", "archive", "archive_alice"), ("bob", "ledger", "ledger_bob"),
    ):  # fmt: skip
        server.add(credential_dn(caller, target), **credential(caller, target, user))


def settings(server: SlapdServer, trusted: Path, /, **changed: Any) -> dict[str, Any]:
    """A `[realms.NAME]` table, as the framework hands it over."""
    return {
        "registry": "ldap", "urls": [server.tls_url], "ca_file": trusted, "base": PEOPLE, "group_base": GROUPS,
        "bind_dn": REGISTRY_DN, "bind_password": Secret(server.password), **changed,
    }  # fmt: skip


def options(server: SlapdServer, trusted: Path, /, **changed: Any) -> dict[str, Any]:
    """The options of a login configuration."""
    return {
        "urls": [server.tls_url], "ca_file": str(trusted), "base": EIS, "alias": "gso", "realm": REALM, **changed,
    }  # fmt: skip


def registry(table: Mapping[str, Any], clock: Clock | None = None) -> LdapUserRegistry:
    """A registry with these settings."""
    return LdapUserRegistry(REALM, read_settings(REALM, table), clock)


def service_account(server: SlapdServer, version: int = 1) -> AuthenticationData:
    """The mapper's service account, as it stands in the authentication data."""
    return AuthenticationData("gso", GSO_DN, Secret(server.password), version=version)
