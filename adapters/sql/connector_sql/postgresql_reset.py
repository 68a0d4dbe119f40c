"""What takes back all of a PostgreSQL session, in the round trip that ends its last transaction (TRUST-3).

`DISCARD ALL` does it, but can stand neither in a transaction nor beside another statement: it takes a round trip of its
own, and whoever has the session next would wait for that. What it consists of can stand beside others, and has been the
same since PostgreSQL 9.4. A newer server than was looked at may have added something: it gets `DISCARD ALL`.
"""

from __future__ import annotations

from typing import Final

#: All at once, by itself.
DISCARD_ALL: Final = "DISCARD ALL"

#: The same, beside others, in the order that the server's documentation and its source have. None of it looks a name up
#: by the session's search_path. RESET ROLE says what SET SESSION AUTHORIZATION implies.
_PARTS: Final = (
    "CLOSE ALL",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET ROLE",
    "RESET ALL",
    "DEALLOCATE ALL",
    "UNLISTEN *",
    "SELECT pg_catalog.pg_advisory_unlock_all()",
    "DISCARD PLANS",
    "DISCARD TEMP",
    "DISCARD SEQUENCES",
)
#: The newest server whose DISCARD ALL is known to be these.
_KNOWN_MAJOR: Final = 18
_PER_MAJOR: Final = 10_000  # libpq writes 18.4 as 180004


def reset_beside_others(server_version: int) -> bytes:
    """The statements that take a session back beside others; empty where only `DISCARD_ALL` is known to.

    Args:
        server_version: As libpq writes it.
    """
    return "; ".join(_PARTS).encode() if server_version // _PER_MAJOR <= _KNOWN_MAJOR else b""
