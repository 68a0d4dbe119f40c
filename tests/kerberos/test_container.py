"""The whole way: configuration, the logged-in caller, and PostgreSQL signed on by that caller's ticket."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_container import ProfileFolder
from support_kerberos import NAME, Realm
from support_mapped import WHO
from support_secrets import MARKER

from connector import Secret

pytestmark = pytest.mark.kerberos

RESOURCE = """
[login.Tickets]
stack = [{ module = "kerberos", flag = "required", options = OPTIONS }]

[resources."jdbc/ledger"]
adapter = "sql"
properties = { url = "URL" }
"""
REFERENCE = """
[references."jdbc/ledger"]
bind = "jdbc/ledger"
res_auth = "Container"
login = "Tickets"
"""


@pytest.fixture
def profile(tmp_path: Path, realm: Realm, server: Any) -> ProfileFolder:
    made = ProfileFolder(tmp_path)
    options = (
        f'{{ source = "constrained", principal = "web/localhost@{NAME}", keytab = "{realm.keytab("web")}",'
        ' caller_realm = "shop" }'
    )
    url = f"postgresql+psycopg://{server.host}:{server.port}/postgres"
    with made.configuration.open("a") as text:
        text.write(RESOURCE.replace("OPTIONS", options).replace("URL", url))
    with made.descriptor.open("a") as text:
        text.write(REFERENCE)
    return made


def test_each_logged_in_caller_works_on_postgresql_as_itself(profile: ProfileFolder) -> None:
    with profile.open() as container:
        ledger = container.application("shop").lookup("jdbc/ledger")
        seen = []
        for user in ("alice", "bob", "alice"):
            with container.login(user, Secret(MARKER)), ledger.get_connection() as connection:
                seen.append(tuple(connection.execute(WHO).one()))

        assert seen == [(user, f"{user}@{NAME}") for user in ("alice", "bob", "alice")]
        assert container.pool("jdbc/ledger").statistics().created == 2


def test_explain_tells_whose_ticket_it_would_be_without_asking_a_kdc(profile: ProfileFolder, realm: Realm) -> None:
    with profile.open() as container, realm.kdc_at(None), container.login("alice", Secret(MARKER)):
        explanation = container.application("shop").lookup("jdbc/ledger").explain()

    assert "signed on as user 'alice', from login configuration" in explanation.answer
    assert "mechanism Kerbv5" in str(explanation.to_dict())
