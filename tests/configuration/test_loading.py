from __future__ import annotations

import os
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from support_configuration import MINIMAL, Deployment
from support_secrets import MARKER, shows_marker

from connector.container.configuration.load import load_configuration
from connector.errors import PluginError
from connector.spi import Secret

_FULL = """
[auth_data]
path = "vault"
key = "file:vault.key"
[login.Payroll]
stack = [{ module = "table", flag = "sufficient", options = { table = "callers.toml" } }]
[resources."jdbc/ledger"]
adapter = "database"
component_alias = "batch"
properties = { url = "x", password = "file:pw" }
pool = { max_size = 3, connection_timeout = "250ms" }
[resources."jms/in"]
adapter = "post"
kind = "activation"
properties = { queue = "q" }
[resources."jms/out"]
adapter = "post"
kind = "destination"
[offices.main]
[admin]
administrator = ["user:admin", "group:admins"]
[applications.shop]
descriptor = "apps/shop.toml"
unsecured = "allow"
references."jdbc/log".alias = "deployed"
roles.buyer.groups = ["deployed-buyers"]
"""
_DESCRIPTOR = """
[application]
handlers = ["shop.orders"]
path = ["modules"]
[roles.buyer]
users = ["alice"]
groups = ["buyers"]
[references."jdbc/log"]
bind = "jdbc/ledger"
res_auth = "Container"
login = "TrustedConnectionMapping"
alias = "described"
mapping_properties = { target = "db" }
[activations."jms/orders"]
bind = "jms/in"
roles_allowed = ["buyer"]
redelivery_delay = "2s"
"""


@pytest.fixture
def full(deployment: Deployment) -> Deployment:
    deployment.write("pw", MARKER)
    deployment.write("apps/shop.toml", _DESCRIPTOR)
    return deployment


def test_the_least_configuration_is_secure_and_has_the_documented_defaults(deployment: Deployment) -> None:
    loaded = deployment.load("")
    assert loaded.container.security
    assert loaded.container.application_security
    assert loaded.container.realm == "home"
    assert loaded.container.state == deployment.folder / "state"
    assert loaded.auth_data.store == "env"
    assert dict(loaded.admin) == dict.fromkeys(("monitor", "operator", "configurator", "administrator"), ())
    assert loaded.warnings == ()


def test_application_security_follows_administrative_security(deployment: Deployment) -> None:
    assert not deployment.load("", overrides={"container": {"security": False}}).container.application_security
    chosen = {"container": {"application_security": False}}
    assert not deployment.load("", overrides=chosen).container.application_security


def test_everything_is_read_with_units_converted_and_paths_absolute(full: Deployment) -> None:
    loaded = full.load(_FULL)
    ledger = loaded.resources["jdbc/ledger"]
    assert (ledger.pool.max_size, ledger.pool.connection_timeout) == (3, 0.25)
    assert ledger.component_alias == "batch"
    assert ledger.properties["statement_timeout"] == 30.0
    assert ledger.properties["password"] == Secret(MARKER)
    assert loaded.resources["jms/in"].kind == "activation"
    assert loaded.sections == {"post": {"offices": {"main": {"open": True}}}}
    assert loaded.realms["home"].settings == {"registry": "file", "path": str(full.folder / "users.toml")}
    assert loaded.auth_data.settings["key"] == f"file:{full.folder / 'vault.key'}"
    assert loaded.auth_data.settings["path"] == str(full.folder / "vault")
    assert loaded.login["Payroll"].stack[0].options == {"table": "callers.toml"}
    assert loaded.admin["administrator"] == ("user:admin", "group:admins")


def test_an_application_is_its_descriptor_with_the_deployment_on_top(full: Deployment) -> None:
    shop = full.load(_FULL).applications["shop"]
    reference, activation = shop.references["jdbc/log"], shop.activations["jms/orders"]
    assert shop.descriptor == full.folder / "apps" / "shop.toml"
    assert shop.handlers == ("shop.orders",)
    assert shop.path == (str(full.folder / "apps" / "modules"),)
    assert shop.unsecured == "allow"
    assert shop.roles["buyer"].groups == ("deployed-buyers",)
    assert shop.roles["buyer"].users == ("alice",)
    assert (reference.alias, reference.bind) == ("deployed", "jdbc/ledger")
    assert reference.on_no_credential == "fail"
    assert reference.sharing == "Shareable"
    assert (activation.roles_allowed, activation.transacted, activation.redelivery_delay) == (("buyer",), None, 2.0)
    assert (activation.concurrency, activation.max_redeliveries) == (1, 5)


def test_the_origin_of_a_key_tells_deployment_from_descriptor(full: Deployment) -> None:
    loaded = full.load(_FULL)
    reference = ("applications", "shop", "references", "jdbc/log")
    main, described = loaded.origin((*reference, "alias")), loaded.origin((*reference, "bind"))
    assert Path(main[0]).name == "connector.toml"
    assert main[1] == (MINIMAL + _FULL).split("\n").index('references."jdbc/log".alias = "deployed"') + 1
    assert Path(described[0]).name == "shop.toml"
    assert described[1] == _DESCRIPTOR.split("\n").index('bind = "jdbc/ledger"') + 1
    assert loaded.origin((*reference, "sharing"))[0].endswith("connector.toml"), "a default has its parent's place"


def test_applications_keep_the_order_of_the_file(deployment: Deployment) -> None:
    names = ["zebra", "apple", "mango"]
    for name in names:
        deployment.write(f"{name}.toml", "[roles.r]\n")
    text = "[applications]\n" + "".join(f"{name} = '{name}.toml'\n" for name in names)
    assert list(deployment.load(text).applications) == names


def test_relative_paths_start_from_the_file_wherever_the_process_is(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.write("connector.toml", MINIMAL)
    monkeypatch.chdir(deployment.folder.parent)
    relative = os.path.relpath(deployment.folder / "connector.toml")
    loaded = load_configuration(relative, catalogue=deployment.catalogue, environ={})
    assert loaded.container.state == deployment.folder / "state"
    assert loaded.path == deployment.folder / "connector.toml"


def test_the_environment_of_the_process_counts_unless_another_is_given(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = deployment.write("connector.toml", MINIMAL)
    monkeypatch.setenv("CONNECTOR__CONTAINER__NAME", "elsewhere")
    assert load_configuration(file, catalogue=deployment.catalogue).container.name == "elsewhere"
    assert load_configuration(file, catalogue=deployment.catalogue, environ={}).container.name == "test"


def test_nothing_can_be_changed_afterwards(full: Deployment) -> None:
    loaded = full.load(_FULL)
    with pytest.raises(FrozenInstanceError):
        loaded.container.name = "other"  # type: ignore[misc]  # the test's point
    with pytest.raises(ValidationError):
        loaded.applications["shop"].references["jdbc/log"].alias = "other"
    tables: tuple[Any, ...] = (loaded.resources, loaded.applications, loaded.sections["post"]["offices"], loaded.realms)
    for table in tables:
        with pytest.raises(TypeError):
            table["x"] = 1


def test_no_secret_shows_in_the_repr(full: Deployment) -> None:
    full.write("connector.toml", "")
    loaded = full.load(
        _FULL,
        overrides={
            "realms": {"ext": {"registry": "file", "path": "x"}, "home": {"path": "y"}},
            "container": {"realm": "home"},
        },
    )
    assert "jdbc/ledger" in repr(loaded)
    assert not shows_marker(loaded)


def test_a_password_from_the_environment_is_no_plain_text_in_the_file(full: Deployment) -> None:
    environ = {"CONNECTOR__RESOURCES__JDBC_LEDGER__PROPERTIES__PASSWORD_FILE": str(full.folder / "pw")}
    loaded = full.load(_FULL, environ=environ)
    assert loaded.resources["jdbc/ledger"].properties["password"] == Secret(MARKER)
    assert loaded.warnings == ()


def test_what_is_allowed_and_unwise_is_a_warning(full: Deployment) -> None:
    full.write(
        "apps/shop.toml",
        """
        [references.a]
        bind = "jdbc/ledger"
        alias = "unused"
        [references.b]
        bind = "jdbc/ledger"
        res_auth = "Container"
        [references."jdbc/log"]
        bind = "jdbc/ledger"
        res_auth = "Container"
        [references.d]
        bind = "jdbc/ledger"
        res_auth = "Container"
        on_no_credential = "anonymous"
        [activations.c]
        bind = "jms/in"
        roles_allowed = ["byer"]
        """,
    )
    warnings = full.load(_FULL.replace("file:pw", "plain")).warnings
    assert {(w.code, w.key_path) for w in warnings} == {
        ("CF-CONF-038", 'resources."jdbc/ledger".properties.password'),
        ("CF-CONF-047", "references.a.alias"),
        ("CF-CONF-048", "references.b.alias"),
        ("CF-CONF-049", "activations.c.roles_allowed[0]"),
    }


def test_the_plugin_lists_of_the_file_are_applied_to_the_catalogue(deployment: Deployment) -> None:
    problem = deployment.problem("[plugins]\ndeny = ['database']\n[resources.a]\nadapter = 'database'\n")
    assert problem.code == "CF-CONF-041"
    assert "the deny list names it" in problem.found


def test_strict_plugins_stop_the_start_and_name_the_broken_one(deployment: Deployment) -> None:
    with pytest.raises(PluginError, match="ancient"):
        deployment.load("[plugins]\nstrict = true\n")


def test_a_plugins_own_section_is_checked_like_an_adapters(deployment: Deployment) -> None:
    loaded = deployment.load("[gauge]\n")
    assert loaded.plugin_sections == {"gauge": {"gauge": {"interval": 15.0}}}
    assert loaded.sections == {}
    assert deployment.load("").plugin_sections == {}


def test_a_mistake_in_a_plugins_section_has_its_line(deployment: Deployment) -> None:
    problem = deployment.problem("[gauge]\nintervall = 5\n")
    assert (problem.code, problem.key_path) == ("CF-CONF-030", "gauge.intervall")
    assert problem.line is not None
    assert "'interval'" in problem.hint


def test_a_section_of_a_blocked_plugin_is_unknown_and_says_why(deployment: Deployment) -> None:
    problem = deployment.problem('[gauge]\n[plugins]\ndeny = ["gauge"]\n')
    assert problem.code == "CF-CONF-015"
    assert "gauge (blocked: the deny list names it)" in problem.hint
