"""A container whose users are in a database: circle, outage, and what goes on meanwhile (FLOW-3)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support_container import USERS, ProfileFolder, request
from support_registries import PostgreSQLRegistryBackend

from connector import Secret
from connector.errors import AuthenticationFailed, ConnectionFailed, LoginRefused, RegistryUnavailable

pytestmark = pytest.mark.postgresql

REALM = """
registry = "sql"
url = "{url}"
user = "registrar"
password = "file:registrar.password"
group_cache = "{group_cache}"
"""


@pytest.fixture
def profile(tmp_path: Path, postgresql_backend: PostgreSQLRegistryBackend) -> Iterator[ProfileFolder]:
    """The profile of the container tests with its users in PostgreSQL."""
    before = list(sys.path)
    made = ProfileFolder(tmp_path)
    postgresql_backend.renew()
    for user, groups in USERS.items():
        postgresql_backend.add_user(user, made.password, groups)
    (tmp_path / "registrar.password").write_text(postgresql_backend.settings["password"].reveal())
    (tmp_path / "registrar.password").chmod(0o600)
    realm = REALM.format(url=postgresql_backend.settings["url"], group_cache="0s")
    made.edit('registry = "file"\npath = "users.toml"\n', realm)
    yield made
    postgresql_backend.restore()
    sys.path[:] = before
    sys.modules.pop(made.module, None)


def logins(profile: ProfileFolder) -> list[tuple[str, str, str]]:
    lines = (profile.folder / "state" / "audit.log").read_text().splitlines()
    events: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [(e["who"], e["outcome"], e["reason"]) for e in events if e["action"] == "login"]


def test_the_whole_circle_runs_as_a_user_of_the_database(profile: ProfileFolder) -> None:
    with profile.open() as container:
        assert request(container, "alice", {"item": "tea"}, profile.password) == {"taken": "tea"}
    assert profile.rows() == [("alice", "tea")]


def test_an_outage_refuses_nobody_locks_nobody_out_and_is_over_by_itself(
    profile: ProfileFolder, postgresql_backend: PostgreSQLRegistryBackend
) -> None:
    with profile.open() as container:
        postgresql_backend.cut_off()
        with pytest.raises(RegistryUnavailable, match="CF-SQLR-010") as away:
            container.login("alice", profile.password)
        assert away.value.retryable
        with pytest.raises(ConnectionFailed, match="CF-BUS-046") as bus_away:
            container.lookup("jms/shop").get_connection("alice", profile.password).close()
        assert not isinstance(bus_away.value, LoginRefused)
        postgresql_backend.restore()
        with container.login("alice", profile.password):
            pass
        with pytest.raises(AuthenticationFailed, match="CF-SEC-010"):
            container.login("alice", Secret("wrong"))
    outcomes = [login for login in logins(profile) if login[0] == "alice"]
    assert outcomes[0] == ("alice", "failure", "CF-SQLR-010")
    assert outcomes[-2:] == [("alice", "success", ""), ("alice", "denied", "CF-SEC-010")]


def test_who_is_kept_is_known_while_the_database_is_away_until_the_time_is_over_or_it_is_refreshed(
    profile: ProfileFolder, postgresql_backend: PostgreSQLRegistryBackend
) -> None:
    profile.edit('group_cache = "0s"', 'group_cache = "1h"')
    with profile.open() as container:
        identity = container._parts.identity
        assert identity.groups_of("alice") == {"clients", "buyers"}
        postgresql_backend.cut_off()
        assert identity.assert_user("alice").groups == {"clients", "buyers"}
        with pytest.raises(RegistryUnavailable):
            identity.assert_user("bob")
        container.refresh_users("alice")
        with pytest.raises(RegistryUnavailable):
            identity.assert_user("alice")


def test_a_change_counts_once_the_container_has_heard_of_it(
    profile: ProfileFolder, postgresql_backend: PostgreSQLRegistryBackend
) -> None:
    profile.edit('group_cache = "0s"', 'group_cache = "1h"')
    with profile.open() as container:
        identity = container._parts.identity
        identity.groups_of("alice")
        postgresql_backend.registry().set_groups("alice", ["clerks"])
        assert "buyers" in identity.groups_of("alice")
        container.refresh_users()
        assert identity.groups_of("alice") == {"clerks"}


def test_check_says_that_the_database_is_away(
    profile: ProfileFolder, postgresql_backend: PostgreSQLRegistryBackend
) -> None:
    maps = '\n[realms.shop.inbound_maps.partners.users]\nbob = "alice"\n\n[auth_data]'
    profile.edit("[auth_data]", maps)
    with profile.open(activate=False) as container:
        assert [f.code for f in container.findings() if f.code.startswith("CF-CTR-09")] == []
        postgresql_backend.cut_off()
        assert [f.code for f in container.findings() if f.code.startswith("CF-CTR-09")] == ["CF-CTR-096"]
