"""What a trusted login role may do by itself, and what is wrong with that: facts from the catalogue, a pure judgement.

Whoever is asserted on a trusted connection may become the login role again (RESET ROLE), or any role that it can
become. So the login role must be worth nothing by itself, and lead to the callers' roles only (TRUST-4).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

#: Membership options of their own came with this version; before, the member's INHERIT attribute decided.
_MEMBERSHIP_OPTIONS: Final = 160000
_SHOWN: Final = 5

_ROLES: Final = """
WITH RECURSIVE reachable(oid) AS (
    SELECT oid FROM pg_catalog.pg_roles WHERE rolname = session_user
    UNION
    SELECT m.roleid FROM pg_catalog.pg_auth_members m JOIN reachable r ON m.member = r.oid
)
SELECT a.rolname, a.rolname = session_user, a.rolsuper, a.rolcreaterole, a.rolbypassrls, a.rolreplication
FROM pg_catalog.pg_roles a JOIN reachable USING (oid) ORDER BY 1
"""
_MEMBERSHIPS: Final = """
SELECT g.rolname, {inherits}, m.admin_option
FROM pg_catalog.pg_auth_members m
JOIN pg_catalog.pg_roles g ON g.oid = m.roleid
JOIN pg_catalog.pg_roles l ON l.oid = m.member
WHERE l.rolname = session_user ORDER BY 1
"""
# Shared dependencies know every object of every database that a role owns ('o') or is named in the privileges of ('a').
# CONNECT on a database is needed and harmless, and a membership is no privilege.
_POSSESSIONS: Final = """
SELECT d.deptype = 'o',
       CASE WHEN d.dbid = 0 OR b.datname = current_database()
            THEN pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid)
            ELSE 'something in database ' || b.datname END
FROM pg_catalog.pg_shdepend d
JOIN pg_catalog.pg_roles l ON l.oid = d.refobjid AND l.rolname = session_user
LEFT JOIN pg_catalog.pg_database b ON b.oid = d.dbid
WHERE d.refclassid = 'pg_catalog.pg_authid'::pg_catalog.regclass
  AND (d.deptype = 'o' OR d.deptype = 'a' AND d.classid NOT IN (
       'pg_catalog.pg_database'::pg_catalog.regclass, 'pg_catalog.pg_auth_members'::pg_catalog.regclass))
UNION ALL
SELECT false, 'CREATE on database ' || current_database()
WHERE pg_catalog.has_database_privilege(session_user, current_database(), 'CREATE')
ORDER BY 1, 2
"""


@dataclass(frozen=True, slots=True)
class RoleAttributes:
    """One role: the login role or one that it can become, directly or through others.

    Attributes:
        name: Its name.
        is_login: Whether it is the login role itself.
        superuser: Has SUPERUSER.
        createrole: Has CREATEROLE.
        bypassrls: Has BYPASSRLS.
        replication: Has REPLICATION, which reads every table.
    """

    name: str
    is_login: bool
    superuser: bool = False
    createrole: bool = False
    bypassrls: bool = False
    replication: bool = False


@dataclass(frozen=True, slots=True)
class Membership:
    """One role that the login role was granted.

    Attributes:
        role: Its name.
        inherits: Whether its rights are the login role's without SET ROLE.
        admin: Whether the login role may grant it to others.
    """

    role: str
    inherits: bool
    admin: bool


@dataclass(frozen=True, slots=True)
class LoginRoleFacts:
    """All that the judgement looks at.

    Attributes:
        roles: The login role and all that it can become.
        memberships: What it was granted.
        owned: Descriptions of objects that it owns, in any database.
        granted: Descriptions of objects or privileges granted to it by name.
    """

    roles: tuple[RoleAttributes, ...]
    memberships: tuple[Membership, ...] = ()
    owned: tuple[str, ...] = ()
    granted: tuple[str, ...] = ()


def read_facts(rows: Callable[[str], list[tuple[str, ...]]], server_version: int) -> LoginRoleFacts:
    """Read the facts about the session user; `rows` runs one query and answers texts."""
    inherits = "m.inherit_option" if server_version >= _MEMBERSHIP_OPTIONS else "l.rolinherit"
    roles = tuple(RoleAttributes(name, *(flag == "t" for flag in flags)) for name, *flags in rows(_ROLES))
    memberships = tuple(
        Membership(role, inherited == "t", admin == "t")
        for role, inherited, admin in rows(_MEMBERSHIPS.format(inherits=inherits))
    )
    possessions = rows(_POSSESSIONS)
    return LoginRoleFacts(
        roles,
        memberships,
        owned=tuple(what for owns, what in possessions if owns == "t"),
        granted=tuple(what for owns, what in possessions if owns != "t"),
    )


def faults(facts: LoginRoleFacts, trust_domain: Sequence[str] | None = None) -> tuple[str, ...]:
    """Everything that must be changed before callers may be asserted on this login role; empty when it is fit. Pure.

    Args:
        facts: What is known of it.
        trust_domain: Names or patterns of the only roles that it may lead to; None for any.
    """
    found: list[str] = []
    for role in facts.roles:
        whose = "it" if role.is_login else f"role {role.name}, which it can become,"
        for held, attribute in (
            (role.superuser, "SUPERUSER"),
            (role.createrole, "CREATEROLE"),
            (role.bypassrls, "BYPASSRLS"),
            (role.replication, "REPLICATION"),
        ):
            if held:
                found.append(f"{whose} has {attribute}")
        if not role.is_login and role.name.startswith("pg_"):
            found.append(f"it can become the predefined role {role.name}")
    if trust_domain is not None:
        others = [role.name for role in facts.roles if not role.is_login and not _matches(role.name, trust_domain)]
        if others:
            found.append(f"it can become roles outside the trust_domain: {_some(tuple(others))} (revoke them from it)")
    for membership in facts.memberships:
        if membership.inherits:
            found.append(f"it inherits the rights of {membership.role} (grant it WITH INHERIT FALSE)")
        if membership.admin:
            found.append(f"it may grant {membership.role} to others (revoke the ADMIN OPTION)")
    if facts.owned:
        found.append(f"it owns {_some(facts.owned)}")
    if facts.granted:
        found.append(f"it was granted rights of its own: {_some(facts.granted)}")
    return tuple(found)


def _matches(role: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(role, pattern) for pattern in patterns)


def _some(things: tuple[str, ...]) -> str:
    shown = ", ".join(things[:_SHOWN])
    return shown if len(things) <= _SHOWN else f"{shown} and {len(things) - _SHOWN} more"
