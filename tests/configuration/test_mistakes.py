"""Wrong configurations: each mistake has its code, place, what was found, what is allowed, and a suggestion."""

from __future__ import annotations

import pickle
from dataclasses import dataclass

import pytest
from support_configuration import MINIMAL, Deployment
from support_secrets import MARKER, shows_marker

from connector.container.configuration.load import load_configuration
from connector.errors import ConfigError

_DATABASE = '[resources.db]\nadapter = "database"\nproperties = { url = "x" }\n'


@dataclass(frozen=True)
class Wrong:
    name: str
    text: str
    code: str
    key_path: str
    says: str = ""


_TABLE = [
    Wrong("unknown key", "[plugins]\nstrct = true", "CF-CONF-010", "plugins.strct", "Did you mean 'strict'?"),
    Wrong("missing key", "[resources.a]\nkind = 'destination'", "CF-CONF-011", "resources.a.adapter", "adapter"),
    Wrong("wrong type", "[plugins]\nstrict = 'yes'", "CF-CONF-012", "plugins.strict", "'yes'; allowed: true"),
    Wrong("table for value", "[plugins]\nstrict = { a = 1 }", "CF-CONF-012", "plugins.strict", "found a table"),
    Wrong(
        "unknown pool setting",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { per_user = 2 }",
        "CF-CONF-010",
        "resources.a.pool.per_user",
        "allowed: aged_timeout, auto_close",
    ),
    Wrong(
        "more than there may be",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { min_size = 11 }",
        "CF-CONF-060",
        "resources.a.pool.min_size",
        "at most max_size, 10",
    ),
    Wrong(
        "validation without the capability",
        "[resources.a]\nadapter = 'post'\npool = { validation = 'on-return' }",
        "CF-CONF-061",
        "resources.a.pool.validation",
        "'post'",
    ),
    Wrong(
        "a mode of validation that there isn't",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { validation = ['always'] }",
        "CF-CONF-012",
        "resources.a.pool.validation",
        '"on-checkout"',
    ),
    Wrong(
        "no pause at all",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { reap_time = 0 }",
        "CF-CONF-012",
        "resources.a.pool.reap_time",
        "and not 0",
    ),
    Wrong(
        "empty pool",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { max_size = 0 }",
        "CF-CONF-012",
        "resources.a.pool.max_size",
        "at least 1",
    ),
    Wrong(
        "wrong duration",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x' }\npool = { connection_timeout = 'long' }",
        "CF-CONF-012",
        "resources.a.pool.connection_timeout",
        "a duration such as",
    ),
    Wrong("unknown section", "[resuorces.a]\nadapter = 'database'", "CF-CONF-015", "resuorces", "'resources'?"),
    Wrong("unowned section", "[telegraph]\nx = 1", "CF-CONF-015", "telegraph", "ancient (failed: CF-PLUG-010"),
    Wrong(
        "client authentication",
        "[tls.node]\nclient_authentication = 'maybe'",
        "CF-CONF-012",
        "tls.node.client_authentication",
        "'supported'",
    ),
    Wrong("TLS key", "[tls.node]\nkeystore = 'x'", "CF-CONF-010", "tls.node.keystore", "key_store"),
    Wrong(
        "TLS password file",
        "[tls.node]\nkey_store_password = 'file:gone'",
        "CF-CONF-036",
        "tls.node.key_store_password",
        "readable",
    ),
    Wrong("section is no table", "[[resources]]\nadapter = 'database'", "CF-CONF-016", "resources", "a table"),
    Wrong("unknown adapter", "[resources.a]\nadapter = 'databse'", "CF-CONF-040", "resources.a.adapter", "'database'?"),
    Wrong("failed adapter", "[resources.a]\nadapter = 'ancient'", "CF-CONF-041", "resources.a.adapter", "no ra.toml"),
    Wrong(
        "unknown property",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x', usre = 'y' }",
        "CF-CONF-030",
        "resources.a.properties.usre",
        "'user'?",
    ),
    Wrong("missing property", "[resources.a]\nadapter = 'database'", "CF-CONF-031", "resources.a.properties.url"),
    Wrong(
        "too small",
        "[resources.a]\nadapter = 'database'\nproperties = { url = 'x', statement_timeout = '1ms' }",
        "CF-CONF-034",
        "resources.a.properties.statement_timeout",
        "at least 1 (seconds)",
    ),
    Wrong("wrong owned section", "[[offices]]\nopen = true", "CF-CONF-032", "offices", "a table"),
    Wrong("unknown in owned section", "[offices.main]\nopne = true", "CF-CONF-030", "offices.main.opne", "'open'?"),
    Wrong(
        "activation without inbound side",
        "[resources.a]\nadapter = 'database'\nkind = 'activation'",
        "CF-CONF-042",
        "resources.a.kind",
    ),
    Wrong(
        "pool of an activation",
        "[resources.a]\nadapter = 'post'\nkind = 'activation'\nproperties = { queue = 'q' }\npool = { max_size = 2 }",
        "CF-CONF-043",
        "resources.a.pool",
    ),
    Wrong("built-in redefined", "[login.DefaultPrincipalMapping]\nstack = [{ module = 'table', flag = 'required' }]",
          "CF-CONF-053", "login.DefaultPrincipalMapping", "built in and protected"),
    Wrong("built-in redefined too",
          "[login.TrustedConnectionMapping]\nstack = [{ module = 'table', flag = 'required' }]",
          "CF-CONF-053", "login.TrustedConnectionMapping", "another name"),
    Wrong("default stacked", "[login.Mine]\nstack = [{ module = 'default', flag = 'required' }]",
          "CF-CONF-054", "login.Mine.stack[0].module", "SIGN-3"),
    Wrong("unknown flag", "[login.Mine]\nstack = [{ module = 'table', flag = 'sufficent' }]",
          "CF-CONF-012", "login.Mine.stack[0].flag", "Did you mean 'sufficient'?"),
    Wrong("unknown module", "[login.Mine]\nstack = [{ module = 'tabel', flag = 'required' }]",
          "CF-CONF-040", "login.Mine.stack[0].module", "'table'?"),
    Wrong("empty chain", "[login.Mine]\nstack = []", "CF-CONF-012", "login.Mine.stack", "not empty"),
    Wrong("unknown store", "[auth_data]\nstore = 'keyrign'", "CF-CONF-040", "auth_data.store", "env, file"),
    Wrong("vault without key", "[auth_data]\npath = 'vault'", "CF-CONF-011", "auth_data.key"),
    Wrong("unknown registry", "[realms.b]\nregistry = 'ldap'", "CF-CONF-040", "realms.b.registry", "file"),
    Wrong("users file misspelt", "[realms.b]\npaht = 'x'\npath = 'y'", "CF-CONF-010", "realms.b.paht", "'path'?"),
    Wrong("admin without kind", "[admin]\nmonitor = ['alice']", "CF-CONF-012", "admin.monitor[0]", '"user:NAME"'),
    Wrong("missing descriptor", "[applications]\nshop = 'no.toml'", "CF-CONF-002", "(file)", "can't be read"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", _TABLE, ids=lambda wrong: wrong.name)
def test_a_mistake_is_reported_with_code_and_place(deployment: Deployment, wrong: Wrong) -> None:
    overrides = {"container": {"realm": "home"}}
    problem = deployment.problem(wrong.text, overrides=overrides)
    assert (problem.code, problem.key_path) == (wrong.code, wrong.key_path)
    assert wrong.says in str(problem)
    if wrong.code != "CF-CONF-002":
        assert problem.file.endswith("connector.toml")
        assert problem.line is not None
        assert problem.line > MINIMAL.count("\n")


_APPLICATION = [
    Wrong("unknown resource", "[references.a]\nbind = 'dbb'", "CF-CONF-044", "references.a.bind", "'db'?"),
    Wrong("wrong kind", "[references.a]\nbind = 'in'", "CF-CONF-045", "references.a.bind", "connection-factory or"),
    Wrong("activation of a factory", "[activations.a]\nbind = 'db'", "CF-CONF-045", "activations.a.bind",
          "activation: in"),
    Wrong("unknown login", "[references.a]\nbind = 'db'\nlogin = 'DefaultPrincipalMaping'", "CF-CONF-046",
          "references.a.login", "'DefaultPrincipalMapping'?"),
    Wrong("credentials", "[references.a]\nbind = 'db'\npassword = 'x'", "CF-CONF-014", "references.a.password",
          "alias"),
    Wrong("run as", "[activations.a]\nbind = 'in'\nrun_as = 'x'", "CF-CONF-081", "activations.a.run_as", "alias:NAME"),
    Wrong("run as a role that nothing binds", "[activations.a]\nbind = 'in'\nrun_as = 'role:clark'\n[roles.clerk]\n"
          "users = ['a']", "CF-CONF-082", "activations.a.run_as", "'clerk'?"),
    Wrong("run as a role of two", "[activations.a]\nbind = 'in'\nrun_as = 'role:clerk'\n[roles.clerk]\n"
          "users = ['a', 'b']", "CF-CONF-083", "activations.a.run_as", "2 users"),
    Wrong("order and concurrency", "[activations.a]\nbind = 'in'\nordering = 'queue'\nconcurrency = 2", "CF-CONF-080",
          "activations.a.concurrency", 'ordering = "group"'),
    Wrong("no time for a unit", "[activations.a]\nbind = 'in'\ntransaction_timeout = 0", "CF-CONF-084",
          "activations.a.transaction_timeout"),
    Wrong("shrinking delays", "[activations.a]\nbind = 'in'\nredelivery_backoff = 0.5", "CF-CONF-012",
          "activations.a.redelivery_backoff"),
    Wrong("unknown ordering", "[activations.a]\nbind = 'in'\nordering = 'strict'", "CF-CONF-012",
          "activations.a.ordering"),
    Wrong("unknown table", "[refrences.a]\nbind = 'db'", "CF-CONF-010", "refrences", "'references'?"),
    Wrong("unknown special", "[roles.a]\nspecial = ['Everybody']", "CF-CONF-012", "roles.a.special[0]", "'Everyone'?"),
    Wrong("no concurrency", "[activations.a]\nbind = 'in'\nconcurrency = 0", "CF-CONF-012",
          "activations.a.concurrency"),
    Wrong("not a table", "references = 1", "CF-CONF-012", "references", "a table"),
    Wrong("mapping property", "[references.a]\nbind = 'db'\nmapping_properties = { n = 1 }", "CF-CONF-012",
          "references.a.mapping_properties.n", "a string"),
    Wrong("no toml", "[references", "CF-CONF-004", "(file)"),
]  # fmt: skip


@pytest.mark.parametrize("wrong", _APPLICATION, ids=lambda wrong: wrong.name)
def test_a_mistake_in_a_descriptor_is_reported_in_the_descriptor(deployment: Deployment, wrong: Wrong) -> None:
    deployment.write("shop.toml", wrong.text)
    text = (
        _DATABASE + "[resources.in]\nadapter = 'post'\nkind = 'activation'\nproperties = { queue = 'q' }\n"
        "[applications]\nshop = 'shop.toml'\n"
    )
    problem = deployment.problem(text)
    assert (problem.code, problem.key_path) == (wrong.code, wrong.key_path)
    assert problem.file.endswith("shop.toml")
    assert problem.line is not None
    assert wrong.says in str(problem)


def test_wrong_toml_is_reported_with_its_line(deployment: Deployment) -> None:
    problem = deployment.problem("[container\n")
    assert (problem.code, problem.line) == ("CF-CONF-004", MINIMAL.count("\n") + 1)


def test_a_file_that_is_missing_or_no_text_is_reported(deployment: Deployment) -> None:
    for make, code in ((None, "CF-CONF-002"), (b"a = '\xff'", "CF-CONF-003")):
        file = deployment.folder / "other.toml"
        if make is not None:
            file.write_bytes(make)
        with pytest.raises(ConfigError) as caught:
            load_configuration(file, catalogue=deployment.catalogue, environ={})
        assert [problem.code for problem in caught.value.problems] == [code]
        assert caught.value.exit_code == 2


def test_all_mistakes_of_all_files_are_reported_at_once_in_order(deployment: Deployment) -> None:
    deployment.write("shop.toml", "[references.a]\nbind = 'nothing'\n[roles.r]\nuser = ['x']\n")
    text = "[resources.a]\nadapter = 'nobody'\npool = { max_size = '1' }\n[applications]\nshop = 'shop.toml'\n"
    problems = deployment.problems(text, environ={"CONNECTOR__ADMIN__MONITR": "[]"})
    assert [(p.file.rpartition("/")[2], p.key_path) for p in problems] == [
        ("connector.toml", "resources.a.adapter"),
        ("connector.toml", "resources.a.pool.max_size"),
        ("shop.toml", "references.a.bind"),
        ("shop.toml", "roles.r.user"),
        ("environment", "admin.monitr"),
    ]


def test_a_mistake_does_not_drag_others_behind_it(deployment: Deployment) -> None:
    deployment.write("shop.toml", "[references.a]\nbind = 'db'\n")
    text = "[resources.db]\nadapter = 'database'\nkind = 'factory'\nproperties = { queue = 'x' }\n"
    problem = deployment.problem(text + "[applications]\nshop = 'shop.toml'\n")
    assert problem.key_path == "resources.db.kind"


def test_a_realm_that_is_not_defined_is_a_mistake(deployment: Deployment) -> None:
    problem = deployment.problem("", overrides={"container": {"realm": "hone"}})
    assert (problem.code, problem.file, problem.hint) == ("CF-CONF-050", "overrides", "Did you mean 'home'?")


def test_which_of_two_realms_is_the_container_s_must_be_said(deployment: Deployment) -> None:
    assert deployment.problem("[realms.other]\npath = 'x'\n").code == "CF-CONF-051"


def test_application_security_without_administrative_security_is_a_mistake(deployment: Deployment) -> None:
    settings = {"security": False, "application_security": True}
    assert deployment.problem("", overrides={"container": settings}).code == "CF-CONF-052"


@pytest.mark.parametrize(
    "url",
    [f"postgresql://alice:{MARKER}@db/x", f"amqps://:{MARKER}@h", f"mysql://h/x?user=a&password={MARKER}"],
)
def test_a_password_in_a_url_is_refused_and_not_shown(deployment: Deployment, url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        deployment.load(f'[resources.db]\nadapter = "database"\nproperties = {{ url = "{url}" }}\n')
    (problem,) = caught.value.problems
    assert (problem.code, problem.key_path) == ("CF-CONF-039", "resources.db.properties.url")
    assert not shows_marker(caught.value)
    assert not shows_marker(pickle.loads(pickle.dumps(caught.value)))


@pytest.mark.parametrize("url", ["postgresql://alice@db:5432/x", "sqlite:///a.db", "http://h/a:b@c", "x:y@z"])
def test_a_url_without_a_password_is_fine(deployment: Deployment, url: str) -> None:
    loaded = deployment.load(f'[resources.db]\nadapter = "database"\nproperties = {{ url = "{url}" }}\n')
    assert loaded.resources["db"].properties["url"] == url


@pytest.mark.parametrize(
    "text",
    [
        f'[resources.db]\nadapter = "database"\npassword = "{MARKER}"\nproperties = {{ url = "x" }}\n',
        f'[resources.db]\nadapter = "database"\nproperties = {{ url = "x", pasword = "{MARKER}" }}\n',
        f'[resources.db]\nadapter = "database"\nproperties = {{ url = ["x://a:{MARKER}@b"] }}\n',
        f'[auth_data]\nstore = "file"\npath = "x"\nkey = ["{MARKER}"]\n',
    ],
)
def test_no_mistake_shows_a_secret(deployment: Deployment, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        deployment.load(text)
    assert not shows_marker(caught.value)


def test_a_protected_name_counts_however_it_comes_in(deployment: Deployment) -> None:
    overrides = {"login": {"DefaultPrincipalMapping": {"stack": [{"module": "table", "flag": "required"}]}}}
    assert deployment.problem("", overrides=overrides).code == "CF-CONF-053"
