"""What PostgreSQL is told to assert a role, and to say which one is in force. Pure."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from psycopg.pq import TransactionStatus

from connector.errors import IdentityMismatch, Reason

ROLE_NOT_ALLOWED = Reason(
    "CF-SQL-030",
    "the role {role!r} can't be asserted: it is empty, holds a NUL, means the login role itself, or can't be"
    " written in the encoding of the connection.",
    "Map the caller to the name of a role.",
)

#: Keywords, which no search_path and no function of the session's can shadow.
_ROLE: Final = b"SHOW role"
#: Its answer where nobody is asserted; no name of a role, see `quoted`.
NO_ROLE: Final = "none"
#: How many callers' statements are kept; then the least recent goes.
_KNOWN_CALLERS: Final = 1024
#: What a rollback says, by the state of the transaction; nothing can be asked in one that has failed.
ENDS: Final[dict[int, bytes]] = {
    TransactionStatus.IDLE: _ROLE,
    TransactionStatus.INTRANS: b"%b; ROLLBACK; %b" % (_ROLE, _ROLE),
    TransactionStatus.INERROR: b"ROLLBACK; %b" % _ROLE,
}
#: How many results that has.
ANSWERS: Final = {status: end.count(b";") + 1 for status, end in ENDS.items()}


@lru_cache(maxsize=_KNOWN_CALLERS)
def switch_to(role: str, encoding: str) -> tuple[bytes, bytes]:
    """What asserts a role and asks for it, and the answer that is expected, both in an encoding by Python's name.

    Raises IdentityMismatch as `quoted`, and for a name that the encoding has not.
    """
    try:
        return b"SET ROLE %b; %b" % (quoted(role).encode(encoding), _ROLE), role.encode(encoding)
    except UnicodeEncodeError as error:
        raise IdentityMismatch(ROLE_NOT_ALLOWED, role=role) from error


def quoted(role: str) -> str:
    """A role's name as an SQL identifier.

    Raises IdentityMismatch for a name that is no role: empty, with a NUL, or "none", which PostgreSQL takes for the
    login role even in quotes.
    """
    if not role or "\0" in role or role.lower() == NO_ROLE:
        raise IdentityMismatch(ROLE_NOT_ALLOWED, role=role)
    return '"' + role.replace('"', '""') + '"'
