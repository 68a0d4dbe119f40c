"""Run by test_platform_identity: signs on by platform identity as a user without rights, and prints what came of it.

python as_unprivileged_user.py URL ACCOUNT
"""

from __future__ import annotations

import json
import os
import pwd
import sys

import psycopg  # here: once the rights are dropped, the folder it lies in may be out of reach
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import psycopg as _dialect
from support_mapped import MappedReference
from support_signon import chain

from connector.errors import ConnectorError
from connector.spi import PlatformIdentity, Subject
from connector_platform import PlatformMappingModule


def main(url: str, account: str) -> None:
    assert psycopg is not None
    assert _dialect is not None
    login = chain("Platform", PlatformMappingModule, "platform", process_user=True)
    reference = MappedReference(url, login)
    if os.geteuid() == 0:
        entry = pwd.getpwnam(account)
        os.setgroups([])
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    assert os.geteuid() != 0
    found: dict[str, object] = {"process": _who(reference, None)}
    for name in ("alice", "bob"):
        subject = Subject.of_user(name, "weather", credentials=[PlatformIdentity(name)])
        found[name] = _who(reference, subject)
    found["connections"] = reference.physical_count
    reference.close()
    print(json.dumps(found))


def _who(reference: MappedReference, caller: Subject | None) -> str:
    try:
        with reference.asked_by(caller) as connections, connections.get_connection() as connection:
            return str(connection.execute(text("SELECT session_user::text")).scalar_one())
    except ConnectorError as error:
        return str(error)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
