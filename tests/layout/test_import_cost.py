"""`import connector` and `import connector.spi` load pluggy at most (architecture rule 4)."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "pydantic", "click", "rich", "cryptography", "tomlkit", "sqlalchemy", "psycopg", "keyring", "asyncio",
    "connector_sql", "connector_bus", "connector_default", "connector_trusted", "connector_metrics",
    "prometheus_client", "connector_keyring", "connector_sqlstore", "connector_sqlregistry",
    "connector_ldap", "ldap",
}  # fmt: skip


@pytest.mark.parametrize("module", ["connector", "connector.spi", "connector.errors", "connector.spi.hooks"])
def test_importing_it_loads_nothing_heavy(module: str) -> None:
    code = f"import json, sys; before = set(sys.modules); import {module}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & HEAVY


def test_import_connector_alone_loads_none_of_our_rooms() -> None:
    code = "import sys; import connector; print([m for m in sys.modules if m.startswith('connector.')])"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_public_name_of_the_package_can_be_had() -> None:
    import connector

    assert all(getattr(connector, name) is not None for name in connector.__all__)
    assert set(connector.__all__) <= set(dir(connector))
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = connector.nothing_of_the_kind
