"""docs/directory.md says what is so: its configuration has no mistakes, its schema and access rules are those of these
tests.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from support_slapd import SCHEMA, slapd_configuration

import connector_ldap
from connector.container.configuration.load import load_configuration
from connector.container.plugins.catalogue import PluginCatalogue
from connector_ldap.gso import LdapGsoMappingModule
from connector_ldap.registry_settings import read_settings

PAGE = (Path(__file__).parents[2] / "docs" / "directory.md").read_text()


def _file(folder: Path, name: str) -> Path:
    """One of the page's files, put together from its blocks."""
    blocks = re.findall(rf"^```toml\n# (?:file|append): shop/{name}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    path = folder / name
    path.write_text("".join(blocks))
    return path


def test_its_configuration_is_right(tmp_path: Path) -> None:
    _file(tmp_path, "shop.toml")
    (tmp_path / "registry.password").write_text("a password\n")
    configuration = load_configuration(
        _file(tmp_path, "connector.toml"), catalogue=PluginCatalogue.discover(), environ={}
    )
    realm = read_settings("shop", configuration.realms["shop"].settings)
    assert realm.directory.ca_file == tmp_path / "directory-ca.pem"
    assert realm.account.password.reveal() == "a password"
    (entry,) = configuration.login["Directory"].stack
    assert LdapGsoMappingModule.mistakes(entry.options) == ()
    assert configuration.applications["shop"].references["jdbc/ledger"].mapping_properties == {"target": "ledger"}
    assert configuration.warnings == ()


def test_it_has_every_option_of_the_mapper() -> None:
    declared = tomllib.loads((Path(str(connector_ldap.__file__)).parent / "mapper.toml").read_text())
    for name, option in declared["mappers"]["ldap-gso"]["options"].items():
        row = f"| `{name}` | "
        assert row in PAGE or f"`{name}`" in PAGE.partition("are as for a realm")[0], name
        assert row not in PAGE or option["doc"] in PAGE, name


def test_its_schema_and_access_rules_are_those_that_are_tested() -> None:
    assert SCHEMA.strip() in PAGE
    rules = [line for line in slapd_configuration(Path("/"), "").splitlines() if line.startswith("access to")]
    assert "\n".join(rules) in PAGE
