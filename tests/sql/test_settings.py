"""A resource's properties, checked together before anything connects (CONF-2)."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import create_engine
from support_secrets import MARKER, shows_marker

import connector_sql
from connector.errors import ConfigError
from connector.spi import Capability, ResourceAdapter
from connector_sql import SqlResourceAdapter
from connector_sql.factory import SqlManagedConnectionFactory
from connector_sql.settings import read_settings

POSTGRESQL = "postgresql+psycopg://db.example/ledger"


def test_identity_is_switched_where_it_can_be() -> None:
    assert read_settings("r", {"url": POSTGRESQL}).asserts_roles
    assert not read_settings("r", {"url": POSTGRESQL, "identity": "none"}).asserts_roles
    assert not read_settings("r", {"url": "sqlite://"}).asserts_roles


@pytest.mark.parametrize(
    ("properties", "able"),
    [
        ({"url": "sqlite://"}, {Capability.VALIDATION, Capability.ASYNC}),
        ({"url": POSTGRESQL}, {Capability.VALIDATION, Capability.ASYNC, Capability.IDENTITY_SWITCH}),
        ({"url": POSTGRESQL, "identity": "none"}, {Capability.VALIDATION, Capability.ASYNC}),
    ],
)
def test_a_resource_narrows_what_the_adapter_declares_to_what_its_database_can(
    properties: dict[str, Any], able: set[Capability]
) -> None:
    declared = frozenset(
        {Capability.VALIDATION, Capability.REAUTHENTICATION, Capability.IDENTITY_SWITCH, Capability.ASYNC}
    )
    factory = SqlManagedConnectionFactory(read_settings("jdbc/ledger", properties))

    assert factory.effective_capabilities(declared) == able
    assert factory.effective_capabilities(frozenset()) == frozenset()


def test_a_driver_without_change_user_is_not_asked_for_it() -> None:
    driver = SimpleNamespace(paramstyle="format", __version__="1.1")  # pymysql, as far as it matters here
    template = create_engine("mysql+pymysql://db.example/x", module=driver)

    assert not replace(read_settings("r", {"url": "sqlite://"}), template=template).changes_user


@pytest.mark.parametrize(
    ("properties", "code"),
    [
        ({"url": "this is none"}, "CF-SQL-002"),
        ({"url": f"postgresql+psycopg://u:{MARKER}@db.example:notaport/x"}, "CF-SQL-002"),
        ({"url": "nosuchdatabase://x"}, "CF-SQL-002"),
        ({"url": "postgresql+asyncpg://db.example/x"}, "CF-SQL-006"),
        ({"url": "sqlite://user@/x"}, "CF-SQL-002"),
        ({"url": "sqlite+aiosqlite_no://"}, "CF-SQL-002"),
        ({"url": f"postgresql+psycopg://u:{MARKER}@db.example/ledger"}, "CF-SQL-003"),
        ({"url": f"{POSTGRESQL}?password={MARKER}"}, "CF-SQL-003"),
        ({"url": "sqlite://", "connect_args": {"password": MARKER}}, "CF-SQL-004"),
        ({"url": POSTGRESQL, "connect_args": {"prepare_threshold": 5}}, "CF-SQL-004"),
        ({"url": "sqlite://", "identity": "set-role"}, "CF-SQL-005"),
        ({"url": "sqlite://", "reset": "discard"}, "CF-SQL-005"),
        ({"url": "mysql+cymysql://db.example/x"}, "CF-SQL-006"),
        ({"url": "postgresql+psycopg://db.example/x?user=root"}, "CF-SQL-004"),
        ({"url": "sqlite://", "connect_args": {"read_default_file": "my.cnf"}}, "CF-SQL-004"),
    ],
)
def test_a_wrong_property_is_refused_with_its_code_and_without_a_password(
    properties: dict[str, Any], code: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        read_settings("jdbc/ledger", properties)

    assert refused.value.code == code
    assert "jdbc/ledger" in str(refused.value)
    assert shows_marker(refused.value) == []


def test_ra_toml_declares_what_the_code_reads() -> None:
    declared = tomllib.loads(Path(connector_sql.__file__).with_name("ra.toml").read_text())

    assert declared["adapter"]["name"] == "sql"
    assert {Capability(value) for value in declared["adapter"]["capabilities"]} == {
        Capability.VALIDATION,
        Capability.REAUTHENTICATION,
        Capability.IDENTITY_SWITCH,
        Capability.ASYNC,
        Capability.LOCAL_TRANSACTION,
        Capability.TWO_PHASE,
    }
    properties = declared["connection_factory"]["properties"]
    assert set(properties) == {
        "url",
        "user",
        "password",
        "connect_args",
        "identity",
        "verify_login_role",
        "trust_domain",
        "reset",
        "two_phase",
    }
    assert properties["password"]["type"] == "secret"
    assert properties["url"]["required"]
    assert all(each["doc"].endswith(".") for each in properties.values())


def test_the_adapter_is_imported_without_sqlalchemy_or_a_driver() -> None:
    code = (
        "import sys, connector_sql; connector_sql.SqlResourceAdapter();"
        "print(sorted({'sqlalchemy', 'psycopg', 'aiosqlite'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout == "[]\n"


def test_sqlalchemy_that_is_missing_is_reported_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("connector_sql.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    adapter: ResourceAdapter = SqlResourceAdapter()

    with pytest.raises(ConfigError) as refused:
        adapter.create_managed_connection_factory("jdbc/ledger", {"url": "sqlite://"})

    assert refused.value.code == "CF-SQL-001"
