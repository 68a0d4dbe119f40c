"""What a trusted login user of MariaDB may do by itself and through its roles, and what is wrong with that.

Whoever is asserted on a trusted connection can give the role up (SET ROLE NONE) or take any other that the login user
was granted. So that user must be worth nothing by itself, and lead to the callers' roles only (TRUST-4). MariaDB shows
a user nothing of `mysql`, but its own grants, and with a role active those of the role.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

_SHOWN: Final = 5
# Whatever modes a server begins its sessions with, names stand in backticks.
SHOW_GRANTS: Final = "SET STATEMENT sql_mode = '', sql_quote_show_create = 1 FOR SHOW GRANTS"
MEMBERSHIPS: Final = (
    "SELECT role_name, grantee = current_user(), is_grantable = 'YES', coalesce(is_default = 'YES', 0)"
    " FROM information_schema.applicable_roles ORDER BY 1"
)
_NAME: Final = r"`(?:[^`]|``)*`"
_ROLE_GRANT: Final = re.compile(rf"GRANT {_NAME} TO |SET DEFAULT ROLE ")
_PRIVILEGES: Final = re.compile(r"GRANT (.+?) ON (.+?) TO (.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Membership:
    """One role that the login user can have the privileges of.

    Attributes:
        role: Its name.
        direct: Whether it was granted to the login user itself, not to one of its roles.
        admin: Whether it may be granted to others.
        default: Whether it is active from the beginning of a session.
    """

    role: str
    direct: bool
    admin: bool = False
    default: bool = False


@dataclass(frozen=True, slots=True)
class LoginUserFacts:
    """All that the judgement looks at.

    Attributes:
        memberships: The roles within reach.
        own: What SHOW GRANTS says of the login user alone.
        of_roles: What it says beyond that, with each of its roles active.
    """

    memberships: tuple[Membership, ...] = ()
    own: tuple[str, ...] = ()
    of_roles: tuple[str, ...] = ()


def read_facts(
    rows: Callable[[Sequence[str]], list[list[tuple[str, ...]]]], quoted: Callable[[str], str]
) -> LoginUserFacts:
    """Read the facts about the session's user, in two round trips; afterwards no role is active.

    Args:
        rows: Runs statements in one exchange; answers the rows of those that have any.
        quoted: A role's name as an identifier.
    """
    found, grants = rows(["SET ROLE NONE", MEMBERSHIPS, SHOW_GRANTS])[-2:]
    memberships = tuple(
        Membership(role, direct == "1", admin == "1", default == "1") for role, direct, admin, default in found
    )
    own = tuple(line for (line,) in grants)
    looks = [f"SET ROLE {quoted(each.role)}; {SHOW_GRANTS}" for each in memberships if each.direct]
    shown = rows([*looks, "SET ROLE NONE"]) if looks else []
    of_roles = {line: None for result in shown for (line,) in result if line not in own}
    return LoginUserFacts(memberships, own, tuple(of_roles))


def faults(facts: LoginUserFacts) -> tuple[str, ...]:
    """Everything that must be changed before callers may be asserted; empty when the login user is fit. Pure.

    No password hash is in it, though SHOW GRANTS has one.
    """
    found = [
        f"it was granted {what}" for what in _some([_what(line) for line in facts.own if _is_worth_something(line)])
    ]
    for membership in facts.memberships:
        if membership.admin:
            found.append(f"the role {membership.role} can be granted to others (revoke the ADMIN OPTION)")
        if membership.default:
            found.append(f"the role {membership.role} is active by default (SET DEFAULT ROLE NONE)")
    powerful = [_what(line) for line in facts.of_roles if _is_powerful(line)]
    found += [f"a role within reach has {what}" for what in _some(powerful)]
    return tuple(found)


def _is_worth_something(line: str) -> bool:
    """Any privilege, or the right to pass one on. What can't be read counts."""
    if _ROLE_GRANT.match(line):
        return False
    read = _PRIVILEGES.fullmatch(line)
    return read is None or read[1] != "USAGE" or "WITH GRANT OPTION" in read[3]


def _is_powerful(line: str) -> bool:
    """A privilege on everything or on the server's own tables, or the right to pass one on."""
    if _ROLE_GRANT.match(line):
        return False
    read = _PRIVILEGES.fullmatch(line)
    if read is None or "WITH GRANT OPTION" in read[3]:
        return True
    return read[1] != "USAGE" and (read[2] == "*.*" or read[2].startswith("`mysql`"))


def _what(line: str) -> str:
    read = _PRIVILEGES.fullmatch(line)
    if read is None:
        return "something that can't be read"
    passing_on = " WITH GRANT OPTION" if "WITH GRANT OPTION" in read[3] else ""
    return f"{read[1]} ON {read[2]}{passing_on}"


def _some(things: list[str]) -> list[str]:
    return things if len(things) <= _SHOWN else [*things[:_SHOWN], f"{len(things) - _SHOWN} more rights"]
